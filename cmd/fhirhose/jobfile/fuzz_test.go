package jobfile

import "testing"

// FuzzReadYAML: any file is read or refused, never a panic, and what is read
// has known keys only.
func FuzzReadYAML(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("layout: {lanes: 3, max_file_size: 1MiB}\nsource: {types: [Patient, Basic]}\n"))
	f.Add([]byte("job: &a x\nstate: *a\n"))
	f.Add([]byte("---\njob: |\n  text\n---\nx"))
	f.Add([]byte("source:\n  <<: {tenant: 007}\n  ? tenant\n  : !!str 1\n"))
	known := knownKeys()
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := readYAML(data)
		if err != nil && err.Error() == "" {
			t.Error("an error without text")
		}
		for key := range values {
			if known.leaves[key].Key == "" {
				t.Errorf("unknown key %q was read", key)
			}
		}
	})
}
