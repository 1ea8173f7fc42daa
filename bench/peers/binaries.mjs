// usage: node binaries.mjs OBJECTS EXPORTED OUT
// Puts the content of each Binary into its line, as the published converter does:
// whole files in memory, one after the other.
import fs from 'node:fs';
import path from 'node:path';

const [objects, exported, out] = process.argv.slice(2);
const names = new Map(fs.readdirSync(objects).map((name) => [name.split('.')[0], name]));

for (const file of fs.readdirSync(exported)) {
  const to = fs.openSync(path.join(out, file), 'w');
  for (const line of fs.readFileSync(path.join(exported, file), 'utf8').split('\n')) {
    if (!line) continue;
    const binary = JSON.parse(line);
    const name = names.get(`${binary.id}_${binary.meta.versionId}`);
    binary.data = fs.readFileSync(path.join(objects, name), 'base64');
    fs.writeSync(to, JSON.stringify(binary) + '\n');
  }
  fs.closeSync(to);
}
