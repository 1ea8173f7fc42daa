package iam

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
)

// For returns the policies of a job. region is that of the environment, "" if it
// names none.
func For(job *jobfile.Job, region string) *Policies {
	w := writer{job: job, names: newNames(job, region), p: &Policies{Operator: newDocument(), Clean: newDocument(), Notes: []string{}}}
	w.export()
	w.source()
	w.sink()
	w.target()
	w.clean()
	w.notes()
	return w.p
}

// writer writes the policies of one job.
type writer struct {
	job *jobfile.Job
	names
	p *Policies
}

func (w *writer) note(format string, args ...any) {
	w.p.Notes = append(w.p.Notes, fmt.Sprintf(format, args...))
}

// export is what `export` and `check` ask of DynamoDB, and what DynamoDB does in
// the caller's name.
func (w *writer) export() {
	table, d := w.job.Source.Table, w.p.Operator
	if table.IsZero() {
		return
	}
	d.allow("ExportTable", "export: start the export of the table; check: is point-in-time recovery on", []string{table.ARN},
		"dynamodb:ExportTableToPointInTime", "dynamodb:DescribeContinuousBackups")
	d.allow("DescribeExport", "export: wait for its end", []string{table.ARN + "/export/*"}, "dynamodb:DescribeExport")
	d.allow("ListExports", "export: find what a killed run has started; the action knows no resource", []string{"*"}, "dynamodb:ListExports")
	below := w.objects(table.ExportTo.Join("AWSDynamoDB"))
	write := []string{"s3:PutObject", "s3:PutObjectAcl", "s3:AbortMultipartUpload"}
	d.allow("ExportToS3", "export: DynamoDB writes the export in the caller's name", below, write...)
	d.allowKey(w.names, "ExportKey", "export, move: encrypt and read the export", table.KMSKey, w.names.source, "kms:GenerateDataKey", "kms:Decrypt", "kms:DescribeKey")
	if owner := w.job.Source.Owner; owner != "" && owner != parseARN(table.ARN).account {
		w.p.BucketPolicy = newDocument()
		w.p.BucketPolicy.allow("ExportFromAnotherAccount", "DynamoDB writes the export in the caller's name, and move reads it",
			append(w.bucket(table.ExportTo), below...), append(write, "s3:GetObject", "s3:ListBucket")...)
		w.p.BucketPolicy.Statement[0].Principal = map[string]string{"AWS": "arn:" + w.partition + ":iam::" + parseARN(table.ARN).account + ":root"}
	}
}

// exported is where the export lies or will lie.
func (w *writer) exported() jobfile.Location {
	at := w.job.Source.Export
	switch base := path.Base(at.Prefix); {
	case !w.job.Source.Table.IsZero():
		return w.job.Source.Table.ExportTo.Join("AWSDynamoDB")
	case at.IsS3() && (base == "data" || base == "manifest-summary.json"):
		at.Prefix = strings.TrimSuffix(strings.TrimSuffix(at.Prefix, base), "/")
	}
	return at
}

// folders is where those of the FHIR Works tool lie. They are not the job's: `clean`
// may not remove them.
func (w *writer) folders() jobfile.Location {
	at := w.job.Source.Folders
	if base := path.Base(at.Prefix); base == "migration_output.json" {
		at.Prefix = strings.TrimSuffix(strings.TrimSuffix(at.Prefix, base), "/")
	}
	return at
}

// source is what `check` and `move` read.
func (w *writer) source() {
	d, export, folders, binaries := w.p.Operator, w.exported(), w.folders(), w.job.Source.Binaries
	look := []string{"s3:ListBucket", "s3:GetLifecycleConfiguration"}
	if !w.job.Source.Table.IsZero() {
		look = append(look, "s3:GetBucketPublicAccessBlock")
	}
	d.allow("LookAtExport", "check, move: tell an object that is missing from one that is forbidden; region, lifecycle and public access of the bucket",
		w.bucket(export), look...)
	d.allow("ReadExport", "check, move: read the export", w.objects(export), "s3:GetObject")
	d.allow("LookAtToolFolders", "check, move: tell what the folders of the FHIR Works tool lack, and what they do not name; region and lifecycle of the bucket",
		w.bucket(folders), "s3:ListBucket", "s3:GetLifecycleConfiguration")
	d.allow("ReadToolFolders", "check, move: read the folders of the FHIR Works tool", w.objects(folders), "s3:GetObject")
	d.allow("ListBinaries", "check, move: list contents of Binaries, and those that FHIR Works has deleted by mistake",
		w.bucket(binaries), "s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketVersioning")
	d.allow("ReadBinaries", "check, move: read contents of Binaries", w.objects(binaries), "s3:GetObject", "s3:GetObjectVersion")
}

// outputs are the job's folders, of each tenant.
func (w *writer) outputs() []string {
	all := w.objects(w.job.Output())
	if w.job.AllTenants() {
		all = append(all, w.objects(w.job.OutputOf("*"))...)
	}
	return all
}

// sink is what `move` writes, and what all later verbs read.
func (w *writer) sink() {
	d, to := w.p.Operator, w.job.Sink
	d.allow("LookAtSink", "check, move: region, lifecycle, encryption, versions and locks of the bucket; what a killed run left unfinished",
		w.bucket(to.Location), "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetLifecycleConfiguration", "s3:GetEncryptionConfiguration",
		"s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketPublicAccessBlock")
	d.allow("WriteSink", "move: write the folders, nothing outside of them; deletes are of leftovers of a killed run, and of the probe of check",
		w.outputs(), "s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:DeleteObject")
	d.allowKey(w.names, "SinkKey", "move: encrypt the folders, and read them again", to.KMSKey, w.names.sink, "kms:GenerateDataKey", "kms:Decrypt")
}

// datastores are the job's, in the order of their tenants.
func (w *writer) datastores() (arns []string) {
	to := w.job.Target.HealthLake
	if to.Datastore != "" {
		arns = append(arns, w.datastore(to.Datastore))
	}
	for _, tenant := range slices.Sorted(maps.Keys(to.Datastores)) {
		arns = append(arns, w.datastore(to.Datastores[tenant]))
	}
	return arns
}

// target is what is asked of HealthLake, and what HealthLake does in its role.
func (w *writer) target() {
	d, to, stores := w.p.Operator, w.job.Target.HealthLake, w.datastores()
	if len(stores) == 0 {
		return
	}
	results := []jobfile.Location{to.Output, w.job.Verify.ExportTo}
	d.allow("Import", "import: start imports, wait for them, find what a killed run has started", stores,
		"healthlake:DescribeFHIRDatastore", "healthlake:StartFHIRImportJob", "healthlake:DescribeFHIRImportJob", "healthlake:ListFHIRImportJobs")
	d.allow("ApplyDeletes", "import: look at what is to be deleted, delete it in batches; quarantine replay: send corrected resources", stores,
		"healthlake:ProcessBundle", "healthlake:ReadResource", "healthlake:DeleteResource", "healthlake:UpdateResource")
	d.allow("Verify", "verify, check: count, read and export what has arrived", stores,
		"healthlake:GetCapabilities", "healthlake:SearchWithGet", "healthlake:GetHistoryByResourceId",
		"healthlake:StartFHIRExportJob", "healthlake:DescribeFHIRExportJob", "healthlake:ListFHIRExportJobs")
	if to.RoleARN != "" {
		d.allow("PassRole", "import, verify: hand the data access role to HealthLake, and to nobody else", []string{to.RoleARN}, "iam:PassRole")
		d.Statement[len(d.Statement)-1].Condition = map[string]map[string][]string{"StringEquals": {"iam:PassedToService": {"healthlake.amazonaws.com"}}}
	}
	d.allow("LookAtResults", "check, import, verify: list what HealthLake has written; region, encryption and public access of its buckets", w.buckets(results),
		"s3:ListBucket", "s3:GetEncryptionConfiguration", "s3:GetBucketPublicAccessBlock")
	d.allow("ReadResults", "import, verify: read what HealthLake says of each import, and what it has exported", w.below(results), "s3:GetObject")
	d.allowKey(w.names, "ResultsKey", "import, verify: read what HealthLake has written", to.KMSKey, w.store, "kms:Decrypt", "kms:DescribeKey")

	role := newDocument()
	role.allow("LookAtBuckets", "HealthLake lists folders, and checks where it writes", w.buckets(append([]jobfile.Location{w.job.Sink.Location}, results...)),
		"s3:ListBucket", "s3:GetBucketPublicAccessBlock", "s3:GetEncryptionConfiguration")
	if w.job.Sink.Location.IsS3() {
		role.allow("ReadFolders", "HealthLake reads the folders of this job", w.outputs(), "s3:GetObject")
	}
	role.allow("WriteResults", "HealthLake writes what it says of imports, and its exports", w.below(results), "s3:PutObject")
	role.allowKey(w.names, "ReadKey", "HealthLake decrypts the folders", w.job.Sink.KMSKey, w.names.sink, "kms:Decrypt", "kms:DescribeKey")
	role.allowKey(w.names, "WriteKey", "HealthLake encrypts what it writes", to.KMSKey, w.store, "kms:DescribeKey", "kms:GenerateDataKey*")
	w.p.Role = role

	w.p.Trust = newDocument()
	w.p.Trust.Statement = append(w.p.Trust.Statement, Statement{
		Sid: "HealthLakeOfThisAccount", Effect: "Allow", Action: []string{"sts:AssumeRole"},
		Principal: map[string]string{"Service": "healthlake.amazonaws.com"},
		Condition: map[string]map[string][]string{
			"StringEquals": {"aws:SourceAccount": {w.account}},
			"ArnEquals":    {"aws:SourceArn": stores},
		},
		Why: "only HealthLake, only for the job's data stores",
	})
}

// clean is what removes data for good.
func (w *writer) clean() {
	places := []jobfile.Location{w.exported(), w.job.Target.HealthLake.Output, w.job.Verify.ExportTo}
	d := w.p.Clean
	buckets, objects := w.buckets(append([]jobfile.Location{w.job.Sink.Location}, places...)), append(w.outputs(), w.below(places)...)
	d.allow("LookAtCopies", "list copies, with their versions and unfinished uploads", buckets,
		"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration")
	d.allow("RemoveCopies", "remove them, with their versions, unless they are locked", objects,
		"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload", "s3:GetObjectRetention", "s3:GetObjectLegalHold")
}

func (w *writer) buckets(of []jobfile.Location) (all []string) {
	for _, at := range of {
		all = append(all, w.bucket(at)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (w *writer) below(of []jobfile.Location) (all []string) {
	for _, at := range of {
		all = append(all, w.objects(at)...)
	}
	return all
}

// mostManaged is how many characters a managed policy may have.
const mostManaged = 6144

// notes are what no policy of an identity can say.
func (w *writer) notes() {
	to := w.job.Target.HealthLake
	text, _ := json.Marshal(w.p) // text always marshals
	if strings.Contains(string(text), ":"+unknownRegion+":") {
		w.note("REGION: set source.region, sink.region and target.healthlake.region, or AWS_REGION, and print this again")
	}
	if strings.Contains(string(text), unknownAccount) {
		w.note("ACCOUNT_ID: set target.healthlake.role_arn, and print this again")
	}
	if to.Named() && to.RoleARN == "" {
		w.note("target.healthlake.role_arn is empty: make a role of the data access policy and its trust policy, and name it there")
	}
	if to.Named() {
		w.note("HealthLake wants all four settings of Block Public Access on the buckets that it writes to, and data store, buckets and keys in one region")
	}
	if table := w.job.Source.Table; table.KMSKey != "" {
		w.note("the key of the export must be in the region of the bucket of export_to")
	}
	for _, b := range []struct {
		what    string
		at      jobfile.Location
		known   bool
		actions string
	}{
		{"the export", w.exported(), w.job.Source.Table.KMSKey != "", "kms:Decrypt"},
		{"the folders of the FHIR Works tool", w.folders(), false, "kms:Decrypt"},
		{"the Binaries", w.job.Source.Binaries, false, "kms:Decrypt"},
		{"the sink", w.job.Sink.Location, w.job.Sink.KMSKey != "", "kms:Decrypt and kms:GenerateDataKey, and for HealthLake's role kms:Decrypt"},
	} {
		if b.at.IsS3() && !b.known {
			w.note("if the bucket of %s (%s) encrypts by a customer's key, add on it: %s", b.what, b.at.Bucket, b.actions)
		}
	}
	if text, _ := json.Marshal(w.p.Operator); len(text) > mostManaged {
		w.note("the operator's policy is longer than the %d characters of a managed policy: attach its statements as two", mostManaged)
	}
	w.note("a bucket or key of another account must also allow these actions in its own policy; a key's policy must, where it does not leave it to IAM")
	w.note("sts:GetCallerIdentity, which the audit log asks, needs no permission")
}
