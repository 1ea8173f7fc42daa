package jobfile

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// DotEnv is the name of the file, beside the job file, whose variables count
// where the real environment has none.
const DotEnv = ".env"

// readDotEnv returns the variables of dir/.env, none if there is no such file.
func readDotEnv(dir string) (map[string]string, error) {
	path := filepath.Join(dir, DotEnv)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, configError("read", path, err, "make it readable, or remove it")
	}
	variables, err := godotenv.UnmarshalBytes(data)
	if err != nil {
		// The parser quotes what it could not read, which may be a secret.
		return nil, configError("read", path, errors.New("a line is not NAME=value"), "write one NAME=value per line")
	}
	return variables, nil
}

// environment is the real one over that of .env. An empty variable is as good
// as none.
func environment(real, dotenv map[string]string) map[string]string {
	merged := map[string]string{}
	for _, layer := range []map[string]string{dotenv, real} {
		for name, text := range layer {
			if _, set := real[name]; set && text == "" {
				delete(merged, name)
			} else if text != "" {
				merged[name] = text
			}
		}
	}
	return merged
}

// forSDK lists the variables of .env that the AWS SDK reads from the process
// environment and that the real environment does not set.
func forSDK(real, dotenv map[string]string) map[string]string {
	found := maps.Clone(dotenv)
	maps.DeleteFunc(found, func(name, _ string) bool {
		_, set := real[name]
		return set || !strings.HasPrefix(name, "AWS_")
	})
	return found
}

// ownVariables returns the settings that FHIRHOSE_ variables hold.
func ownVariables(env map[string]string) map[string]value {
	values := map[string]value{}
	for _, s := range Settings() {
		if text, ok := env[s.Env()]; ok {
			values[s.Key] = value{text, s.Env()}
		}
	}
	return values
}

// Kubernetes gives such variables to every pod beside a service "fhirhose".
var serviceVariable = regexp.MustCompile(`^FHIRHOSE_(SERVICE_|PORT$|PORT_|[A-Z0-9_]+_SERVICE_|[A-Z0-9_]+_PORT(_|$))`)

// strayVariables warns of FHIRHOSE_ variables that are no setting.
func strayVariables(env map[string]string) (warnings []string) {
	settings := Settings()
	names, known := make([]string, 0, len(settings)), map[string]bool{}
	for _, s := range settings {
		names = append(names, s.Env())
		known[s.Env()] = true
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !strings.HasPrefix(name, envPrefix) || known[name] || serviceVariable.MatchString(name) {
			continue
		}
		warning := "environment variable " + name + " is no setting and was not used"
		if near := nearest(name, names); near != "" {
			warning += "; the nearest is " + near
		}
		warnings = append(warnings, warning)
	}
	return warnings
}

// fhirWorksVariables understands the names of the FHIR Works migration tool
// (its .env file). They count below everything of ours, the job file too: a
// variable that was left behind must not redirect a job that names its sink.
func fhirWorksVariables(env map[string]string) map[string]value {
	values := map[string]value{}
	take := func(key, name, text string) {
		if text != "" {
			values[key] = value{text, name}
		}
	}
	take("source.tenant", "MIGRATION_TENANT_ID", env["MIGRATION_TENANT_ID"])
	take("source.region", "API_AWS_REGION", env["API_AWS_REGION"])
	take("sink.region", "API_AWS_REGION", env["API_AWS_REGION"])
	if bucket := env[binaryBucket]; bucket != "" {
		take("source.binaries", binaryBucket, "s3://"+bucket)
	}
	if bucket := env["EXPORT_BUCKET_NAME"]; bucket != "" {
		take("sink.location", "EXPORT_BUCKET_NAME", "s3://"+bucket)
	}
	take("sink.location", exportURI, env[exportURI])
	return values
}

const (
	exportURI    = "EXPORT_BUCKET_URI"
	binaryBucket = "BINARY_BUCKET_NAME"
)

// withoutTenant undoes what that tool's guide asks for: EXPORT_BUCKET_URI ends
// in /tenantId. Our output goes below a folder of the tenant anyway.
func withoutTenant(sink value, tenant string) value {
	if sink.origin == exportURI && tenant != "" {
		sink.text = strings.TrimSuffix(strings.TrimRight(sink.text, "/"), "/"+tenant)
	}
	return sink
}
