package binaries

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/cpu"
)

// A processor without AVX2 writes the same. x/sys/cpu, which the encoder asks, is
// told that this is one.
func TestEncodeWithoutVectors(t *testing.T) {
	const variable, without = "GODEBUG", "cpu.avx2=off"
	if os.Getenv(variable) == without {
		if cpu.X86.HasAVX2 {
			t.Fatal("AVX2 is still there")
		}
		TestEncode(t)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), variable+"="+without)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
