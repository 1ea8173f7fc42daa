package jobfile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
)

// DefaultFile is read when no -c says otherwise.
const DefaultFile = "fhirhose.yaml"

// Input is where settings are read from.
type Input struct {
	File    string            // of -c; "" for DefaultFile, which may be absent
	Flags   map[string]string // by key, only those that were given
	Environ []string          // of the process, "NAME=value"
	Setenv  func(name, value string) error
}

// Load reads every layer into a validated job. Setenv receives what .env says
// to the AWS SDK. Errors are KindConfig.
func Load(in Input) (*Job, error) {
	fileValues, path, err := readFile(in.File)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	dotenv, err := readDotEnv(dir)
	if err != nil {
		return nil, err
	}
	real := variables(in.Environ)
	for name, text := range forSDK(real, dotenv) {
		if err := in.Setenv(name, text); err != nil {
			return nil, configError("use", DotEnv, err, "")
		}
	}
	env := environment(real, dotenv)

	values := map[string]value{}
	for _, layer := range []map[string]value{fhirWorksVariables(env), fileValues, ownVariables(env), flagValues(in.Flags)} {
		maps.Copy(values, layer)
	}
	job := &Job{Warnings: strayVariables(env)}
	job.Target.HealthLake.Grant = storeGrant(env)
	job.Source.API = sourceAPI(env)
	if fileValues != nil {
		job.File = path
	}
	if err := assign(job, values, dir); err != nil {
		return nil, err
	}
	return job, validate(job)
}

// readFile returns the settings of the job file and its absolute path; no
// settings if the default file is absent.
func readFile(name string) (map[string]value, string, error) {
	path, err := filepath.Abs(orDefault(name))
	if err != nil {
		return nil, "", configError("find job file", name, err, "")
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && name == "" {
		return nil, path, nil
	}
	if err != nil {
		return nil, "", configError("read job file", orDefault(name), plain(err), "name a readable file with -c; `fhirhose demo` writes one to start from")
	}
	values, err := readYAML(data)
	if err != nil {
		return nil, "", configError("read job file", orDefault(name), err, "correct it; every key: fhirhose help settings")
	}
	return values, path, nil
}

func orDefault(name string) string {
	if name == "" {
		return DefaultFile
	}
	return name
}

// plain leaves out the path, which the error around it names.
func plain(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func variables(environ []string) map[string]string {
	all := make(map[string]string, len(environ))
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		all[name] = text
	}
	return all
}

func flagValues(flags map[string]string) map[string]value {
	values := map[string]value{}
	for key, text := range flags {
		values[key] = value{text, "flag --" + key}
	}
	return values
}

// assign sets every field, from the values or the defaults.
func assign(job *Job, values map[string]value, dir string) error {
	values["sink.location"] = withoutTenant(values["sink.location"], values["source.tenant"].text)
	withoutContents(values)
	job.Values = map[string]string{}
	for _, s := range Settings() {
		v, given := values[s.Key]
		if !given {
			v.text = s.Default
		}
		job.Values[s.Key] = strings.TrimSpace(v.text)
		if err := s.set(job, strings.TrimSpace(v.text), dir); err != nil {
			return settingError(s, v, err)
		}
	}
	return nil
}

func configError(op, object string, err error, hint string) error {
	return &pipeline.Error{Op: op, Object: object, Kind: pipeline.KindConfig, Err: err, Hint: hint}
}

func settingError(s Setting, v value, err error) error {
	object := s.Key
	if v.origin != "" {
		object += " (" + v.origin + ")"
	}
	hint := fmt.Sprintf("correct it, or override it with --%s or %s; what each key means: fhirhose help settings", s.Key, s.Env())
	return configError("read setting", object, err, hint)
}
