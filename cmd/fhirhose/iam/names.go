package iam

import (
	"cmp"
	"path"
	"regexp"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
)

// What stands in an ARN for what the settings do not tell.
const (
	unknownRegion  = "REGION"
	unknownAccount = "ACCOUNT_ID"
)

// arn is what an ARN tells of where something is.
type arn struct{ partition, region, account string }

var arnPattern = regexp.MustCompile(`^arn:(aws[a-z-]*):[a-z0-9-]+:([a-z0-9-]*):([0-9]*):`)

func parseARN(text string) (a arn) {
	if parts := arnPattern.FindStringSubmatch(text); parts != nil {
		a = arn{parts[1], parts[2], parts[3]}
	}
	return a
}

// names makes ARNs of what a job names.
type names struct {
	partition string
	account   string // of table and role
	store     string // region of the data stores
	source    string // region of the source's buckets
	sink      string // region of the sink
}

// newNames takes what the ARNs of the settings tell; region is that of the
// environment, which counts where a setting names none.
func newNames(job *jobfile.Job, region string) names {
	to := job.Target.HealthLake
	role, table := parseARN(to.RoleARN), parseARN(job.Source.Table.ARN)
	return names{
		partition: cmp.Or(role.partition, table.partition, "aws"),
		account:   cmp.Or(role.account, table.account, job.Sink.Owner, unknownAccount),
		store:     cmp.Or(to.Region, region, unknownRegion),
		source:    cmp.Or(job.Source.Region, table.region, region, unknownRegion),
		sink:      cmp.Or(job.Sink.Region, to.Region, region, unknownRegion),
	}
}

func (n names) bucket(at jobfile.Location) []string {
	if !at.IsS3() {
		return nil
	}
	return []string{"arn:" + n.partition + ":s3:::" + at.Bucket}
}

// objects are those below a location.
func (n names) objects(at jobfile.Location) []string {
	if !at.IsS3() {
		return nil
	}
	return []string{n.bucket(at)[0] + "/" + strings.TrimPrefix(path.Join(at.Prefix, "*"), "/")}
}

func (n names) datastore(id string) string {
	return "arn:" + n.partition + ":healthlake:" + n.store + ":" + n.account + ":datastore/fhir/" + id
}

// key is a KMS key as a policy names it: an alias is no resource of a statement.
func (n names) key(key, region string) (resource []string, condition map[string]map[string][]string) {
	switch {
	case key == "":
		return nil, nil
	case strings.Contains(key, "alias/"):
		at := parseARN(key)
		_, alias, _ := strings.Cut(key, "alias/")
		all := "arn:" + n.partition + ":kms:" + cmp.Or(at.region, region) + ":" + cmp.Or(at.account, n.account) + ":key/*"
		return []string{all}, map[string]map[string][]string{"ForAnyValue:StringEquals": {"kms:ResourceAliases": {"alias/" + alias}}}
	case strings.HasPrefix(key, "arn:"):
		return []string{key}, nil
	}
	return []string{"arn:" + n.partition + ":kms:" + region + ":" + n.account + ":key/" + key}, nil
}

// allowKey adds a statement about a KMS key, if there is one.
func (d *Document) allowKey(n names, sid, why, key, region string, actions ...string) {
	resources, condition := n.key(key, region)
	d.allow(sid, why, resources, actions...)
	if resources != nil {
		d.Statement[len(d.Statement)-1].Condition = condition
	}
}
