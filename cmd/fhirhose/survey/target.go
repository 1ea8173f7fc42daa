package survey

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

// Target is a data store, and what it is to hold.
type Target struct {
	Tenant  string // "" in a job that does not move all tenants
	Store   *healthlake.Store
	About   healthlake.Datastore
	Types   map[string]int64 // resources by type; empty where nobody knows
	Begun   bool             // something was sent to it
	Folders []TargetFolder   // not sent yet
}

// TargetFolder is a folder as the move has written it.
type TargetFolder struct {
	Name  string
	Files map[string]TargetFile // by name, which begins with the folder's
}

// TargetFile is one file of resources of one type.
type TargetFile struct {
	Type    string
	Bytes   int64
	Longest int64 // bytes of its longest line, with its LF; 0 where nobody knows
}

func (t *Target) name() string {
	if t.Tenant == "" {
		return "the data store"
	}
	return "the data store of tenant " + t.Tenant
}

// fail notes a problem of a job's target.
func (r *Result) fail(object, hint, format string, args ...any) {
	r.Fail(&pipeline.Error{
		Op: "prepare the import of", Object: object, Kind: pipeline.KindConfig,
		Err: fmt.Errorf(format, args...), Hint: hint,
	})
}

// JudgeFolders compares folders with what HealthLake takes in one job (WI8, WI13).
func (r *Result) JudgeFolders(t Target, q jobfile.Quotas) {
	const hint = "if your account's quota is higher, set %s; otherwise move again, as a job of another name, with a lower layout.%s"
	for _, f := range t.Folders {
		name := f.Name
		if t.Tenant != "" {
			name = t.Tenant + "/" + name
		}
		var sum, largest int64
		for _, file := range f.Files {
			sum += file.Bytes
			largest = max(largest, file.Bytes)
		}
		if n := len(f.Files); n > q.FilesPerJob {
			r.fail(name, fmt.Sprintf(hint, "target.healthlake.quotas.files_per_job", "max_folder_files"),
				"it has %s, and HealthLake takes %s in one job", human.Plural(int64(n), "file"), human.Count(int64(q.FilesPerJob)))
		}
		if largest > q.FileSize {
			r.fail(name, fmt.Sprintf(hint, "target.healthlake.quotas.file_size", "max_file_size"),
				"it has a file of %s, and HealthLake takes %s", human.Bytes(largest), human.Bytes(q.FileSize))
		}
		if sum > q.JobSize {
			r.fail(name, fmt.Sprintf(hint, "target.healthlake.quotas.job_size", "max_folder_size"),
				"it has %s, and HealthLake takes %s in one job", human.Bytes(sum), human.Bytes(q.JobSize))
		}
	}
}

// JudgeLayout does so before anything is moved.
func (r *Result) JudgeLayout(l jobfile.Layout, q jobfile.Quotas) {
	for _, o := range []struct {
		key, quota string
		over       bool
	}{
		{"max_file_size", "file_size", l.MaxFileSize > q.FileSize},
		{"max_binary_file_size", "file_size", l.MaxBinaryFileSize > q.FileSize},
		{"max_folder_files", "files_per_job", l.MaxFolderFiles > q.FilesPerJob},
		{"max_folder_size", "job_size", l.MaxFolderSize > q.JobSize},
	} {
		if o.over {
			r.fail("layout."+o.key, "lower it, or raise the quota to what your account has",
				"it is over target.healthlake.quotas.%s: HealthLake may not take what is moved", o.quota)
		}
	}
}

// LookAtFolders holds the sink to what the move has written: a file that is not
// there would be missing, and one too many would be imported.
func (r *Result) LookAtFolders(ctx context.Context, sink *objectstore.Store, t Target) error {
	for _, f := range t.Folders {
		missing, changed, strange := len(f.Files), 0, 0
		at := sink.Location().Join(f.Name)
		err := sink.ListObjects(ctx, at.Key(""), func(o objectstore.Listed) error {
			file, known := f.Files[f.Name+"/"+strings.TrimPrefix(o.Key, at.Key(""))]
			switch {
			case !known:
				strange++
			case file.Bytes != o.Size:
				changed++
			}
			if known {
				missing--
			}
			return nil
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r.unseen("whether the files of "+at.String()+" are those that were moved", err)
			return nil // nor can the others be listed
		case missing+changed+strange > 0:
			r.Fail(&pipeline.Error{
				Op: "prepare the import of", Object: at.String(), Kind: pipeline.KindFatal,
				Err: fmt.Errorf("it is not as the move has left it: %s missing, %d of another size, %d that nobody has moved",
					human.Plural(int64(missing), "file"), changed, strange),
				Hint: "put back the job's output as the move has left it",
			})
		}
	}
	return nil
}

// LookAtTarget says what stands in the way of an import into a data store. An
// error is one that another try may mend, or ctx's.
func (r *Result) LookAtTarget(ctx context.Context, t Target, job *jobfile.Job, intoNonempty bool) error {
	key := "a key that AWS owns"
	if t.About.KMSKey != "" {
		key = "the key " + t.About.KMSKey
	}
	r.prove("%s %s is active, in %s, and encrypts with %s", t.name(), t.About.ARN, t.Store.Region(), key)
	r.sameAccount(t, job.Target.HealthLake.RoleARN)
	if err := r.types(ctx, t, job.Target.HealthLake.OnImportError == "continue"); err != nil {
		return err
	}
	if t.Begun {
		return nil
	}
	return r.empty(ctx, t, intoNonempty)
}

// sameAccount: a role can be handed to a service of its own account alone.
func (r *Result) sameAccount(t Target, role string) {
	if here, there := account(t.About.ARN), account(role); here != "" && here != there {
		r.fail(role, "name a role of account "+here, "the role is of account %s, and %s of account %s", there, t.name(), here)
	}
}

// account is the fifth part of an ARN: arn:aws:iam::123456789012:role/r.
func account(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

// types compares the types of resources with those that the data store takes.
func (r *Result) types(ctx context.Context, t Target, goesOn bool) error {
	if len(t.Types) == 0 {
		return nil
	}
	taken, err := t.Store.Types(ctx)
	if err != nil {
		return r.orUnseen(ctx, "which types of resources "+t.name()+" takes", err)
	}
	var refused []string
	for _, name := range slices.Sorted(maps.Keys(t.Types)) {
		if !taken[name] {
			refused = append(refused, fmt.Sprintf("%s (%s)", name, human.Plural(t.Types[name], "resource")))
		}
	}
	switch words := t.name() + " takes no resource of type " + strings.Join(refused, ", "); {
	case len(refused) == 0:
		r.prove("%s takes resources of each of the %s to come", t.name(), human.Plural(int64(len(t.Types)), "type"))
	case goesOn:
		r.Warn("%s: they will be refused", words)
	default:
		r.fail(t.About.ARN, "on_import_error: continue imports all others; source.types moves only what is named, as a job of another name",
			"%s", words)
	}
	return nil
}

// empty counts what the data store holds of the types to come.
func (r *Result) empty(ctx context.Context, t Target, intoNonempty bool) error {
	held := map[string]int64{}
	for _, name := range slices.Sorted(maps.Keys(t.Types)) {
		n, err := t.Store.Count(ctx, name)
		if err != nil {
			if err := r.orUnseen(ctx, "whether "+t.name()+" holds resources of type "+name, err); err != nil {
				return err
			}
			continue
		}
		if n > 0 {
			held[name] = n
		}
	}
	r.Held += sum(held)
	switch words := fmt.Sprintf("%s is not empty: %s", t.name(), listing(held)); {
	case len(held) == 0 && len(t.Types) > 0:
		r.prove("%s holds no resource of these types", t.name())
	case len(held) > 0 && intoNonempty:
		r.Warn("%s; --into-nonempty imports over them", words)
	case len(held) > 0:
		r.fail(t.About.ARN, "name an empty data store; if what it holds may be overwritten: fhirhose import --into-nonempty",
			"%s", words)
	}
	return nil
}

// orUnseen notes what HealthLake refuses to say. What another try may mend is
// returned.
func (r *Result) orUnseen(ctx context.Context, what string, err error) error {
	switch pipeline.KindOf(err) {
	case pipeline.KindAuth:
		r.Fail(err) // the hint says what is missing
	case pipeline.KindFatal, pipeline.KindConfig:
		r.unseen(what, err)
	default:
		return errors.Join(err, ctx.Err())
	}
	return nil
}

// LookAtResults says what a bucket lacks that HealthLake writes to: it wants all
// public access blocked. What it writes there is PHI.
func (r *Result) LookAtResults(ctx context.Context, b Bucket) {
	if _, _, err := b.Store.Region(ctx); err != nil {
		r.unseen("the bucket of the "+b.Name+" (s3:ListBucket)", err)
	}
	r.publicAccess(ctx, b, true)
	switch by, err := b.Store.Encryption(ctx); {
	case err != nil:
		r.unseen("the default encryption of the "+b.Name+" (s3:GetEncryptionConfiguration)", err)
	case by.Algorithm == "":
		r.Warn("the bucket of the %s has no default encryption; HealthLake itself encrypts with target.healthlake.kms_key", b.Name)
	default:
		r.prove("by default the bucket of the %s encrypts with %s", b.Name, by.Algorithm)
	}
}

// Key is a KMS key, and the setting that names it.
type Key struct{ Setting, Key string }

// JudgeRegions holds data store, buckets and keys to one region. That the data store
// answers there proves that the region has HealthLake.
func (r *Result) JudgeRegions(ctx context.Context, region string, keys []Key, buckets ...Bucket) {
	one := true
	for _, key := range keys {
		if lies := keyRegion(key.Key); lies != "" && lies != region {
			one = false
			r.fail(key.Setting, "name a key of "+region, "the key lies in %s, and the data store in %s", lies, region)
		}
	}
	for _, b := range buckets {
		lies, _, _ := b.Store.Region(ctx) // that it is not known was said
		if lies != "" && lies != region {
			one = false
			r.fail("s3://"+b.Store.Location().Bucket, "use a bucket in "+region+", or a data store in "+lies,
				"the bucket of the %s lies in %s, and the data store in %s", b.Name, lies, region)
		}
		one = one && lies != ""
	}
	if one {
		r.prove("data store and buckets lie in one region, %s", region)
	}
}

// keyRegion is the fourth part of a key's ARN: arn:aws:kms:eu-west-1:123456789012:key/k.
func keyRegion(key string) string {
	if parts := strings.Split(key, ":"); len(parts) > 5 && parts[2] == "kms" {
		return parts[3]
	}
	return ""
}

// JudgeCredentials compares their end with that of the import.
func (r *Result) JudgeCredentials(c healthlake.Credentials, hours float64) {
	until := time.Now().Add(time.Duration(hours * float64(time.Hour)))
	const then = "where nobody renews them, the import waits an hour for new ones, and stops with exit code 12; the same command then goes on"
	switch {
	case !c.Expire.IsZero() && c.Expire.Before(until):
		r.Warn("the credentials (%s) end at %s, and the import will take about %.1f hours; %s",
			c.Source, c.Expire.UTC().Format(time.DateTime+" UTC"), hours, then)
	case c.Session && c.Expire.IsZero():
		r.Warn("the credentials (%s) are those of a session, which ends nobody knows when, and the import will take about %.1f hours; %s",
			c.Source, hours, then)
	}
}

// ImportHours is how long HealthLake will probably take.
func ImportHours(folders []TargetFolder) float64 {
	var bytes int64
	for _, f := range folders {
		for _, file := range f.Files {
			bytes += file.Bytes
		}
	}
	return importHours(len(folders), bytes)
}
