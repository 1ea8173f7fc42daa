package survey

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
)

// ProbeSink writes one small object to the sink and deletes it, and says what
// the service did in between. conditional tells whether the job relies on the
// service's refusal to replace an object (I2).
func (r *Result) ProbeSink(ctx context.Context, b Bucket, conditional bool) {
	key := b.Store.Location().Key("_fhirhose/write-probe-" + rand.Text())
	probed := b.Store.Probe(ctx, key, objectstore.WriteOptions{KMSKey: b.KMSKey, Conditional: conditional})
	switch {
	case probed.WithoutCondition:
		r.Fail(lookAlike("the service refuses conditional writes", hintUnconditional))
	case probed.WithoutChecksum:
		r.Fail(lookAlike("the service refuses checksums", "set sink.s3.request_checksums: when_required"))
	case probed.Written != nil:
		r.Fail(probed.Written)
	default:
		r.judgeReplacing(conditional, probed.Replaced, probed.ReplacedInParts)
		r.judgeDamage(b.Store.Checksums(), probed.Damaged)
	}
	switch {
	case probed.Left != nil:
		r.Warn("what the write probe wrote may still be in the sink: %v; remove it", probed.Left)
	case probed.KeepsVersions:
		r.Warn("the bucket of the sink keeps old versions, and so those of the write probe: delete them under %s", key)
	case probed.Written == nil:
		r.prove("one object was written to the sink and deleted")
	}
}

const hintUnconditional = "set sink.s3.conditional_writes: false, and let nothing else write to the sink"

func lookAlike(what, hint string) error {
	return &pipeline.Error{Op: "probe", Object: "sink", Kind: pipeline.KindConfig, Err: errors.New(what), Hint: hint}
}

func (r *Result) judgeReplacing(conditional bool, whole, inParts error) {
	refused, replaced := true, false
	var other error // of which neither is known
	for _, err := range []error{whole, inParts} {
		replaced = replaced || err == nil
		if !errors.Is(err, objectstore.ErrPrecondition) {
			refused, other = false, errors.Join(other, err)
		}
	}
	switch {
	case replaced && conditional:
		r.Fail(lookAlike("the service replaces an object although it is told not to", hintUnconditional))
	case replaced:
		r.prove("the sink ignores conditional writes, as sink.s3.conditional_writes: false expects")
	case refused && conditional:
		r.prove("the sink refuses to replace an object")
	case refused:
		r.Warn("the sink honours conditional writes: sink.s3.conditional_writes: true would guard it against a second writer")
	default:
		r.unseen("whether the sink refuses to replace an object", other)
	}
}

func (r *Result) judgeDamage(sent bool, err error) {
	refused, answered := errors.AsType[*objectstore.Scrubbed](err)
	switch {
	case !sent:
		r.Unseen = append(r.Unseen, "whether the sink notices damage on the way: with sink.s3.request_checksums: when_required no checksum is sent")
	case err == nil:
		r.Warn("the sink stores bytes that do not match their checksum, so that only TLS notices damage on the way: reach it over https")
	case answered && refused.Status == http.StatusBadRequest:
		r.prove("the sink refuses bytes that do not match their checksum")
	default:
		r.unseen("whether the sink refuses bytes that do not match their checksum", err)
	}
}
