// usage: node convert.mjs PEERS OUT FILE...
// PEERS is the folder with node_modules.
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import zlib from 'node:zlib';
import { createRequire } from 'node:module';

const [peers, out, ...files] = process.argv.slice(2);
const require = createRequire(path.resolve(peers, 'package.json'));
const { unmarshall } = require('@aws-sdk/util-dynamodb');

const pending = new Map(); // output name -> lines that wait, their size

function emit(name, line) {
  let p = pending.get(name);
  if (!p) pending.set(name, (p = { lines: [], size: 0 }));
  p.lines.push(line);
  p.size += line.length;
  if (p.size > 1 << 18) flush(name, p);
}

function flush(name, p) {
  fs.appendFileSync(path.join(out, name + '.ndjson'), p.lines.join('\n') + '\n');
  p.lines = [];
  p.size = 0;
}

function convert(line) {
  const { documentStatus, lockEndTs, vid, _references, _tenantId, _id, _subscriptionStatus, ...resource } =
    unmarshall(JSON.parse(line).Item);
  if (documentStatus === 'PENDING') return;
  if (_id) resource.id = _id;
  const tags = [...(resource.meta.tag ?? []), { display: resource.meta.lastUpdated, code: 'originalLastUpdated' }];
  if (documentStatus === 'DELETED') tags.push({ display: 'DELETED', code: 'DELETED' });
  resource.meta.tag = tags;
  emit(`${resource.resourceType}-v${vid}`, JSON.stringify(resource));
}

for (const file of files) {
  const input = fs.createReadStream(file).pipe(zlib.createGunzip());
  const lines = readline.createInterface({ input, crlfDelay: Infinity });
  lines.on('line', convert);
  await new Promise((resolve, reject) => {
    lines.on('close', resolve);
    input.on('error', reject);
  });
}
for (const [name, p] of pending) if (p.lines.length) flush(name, p);
