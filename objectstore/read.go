package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager" // deprecated for a v0 that still changes; used in Download alone
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Info is what S3 tells of an object.
type Info struct {
	Size     int64
	ETag     string    // with its quotes, as If-Match wants it
	Modified time.Time // S3's clock
	Archived string    // its storage class, if it must be restored before it can be read; else ""

	// Checksums of the whole object in base64; "" if it was written without,
	// or was written in parts and has only a checksum of checksums.
	SHA256    string
	CRC64NVME string
}

// Head returns what S3 tells of an object without reading it. An absent object
// is an error that is ErrNotFound.
func (s *Store) Head(ctx context.Context, key string) (Info, error) {
	in := &s3.HeadObjectInput{
		Bucket: &s.location.Bucket, Key: &key,
		ChecksumMode: types.ChecksumModeEnabled, ExpectedBucketOwner: s.owner(),
	}
	out, err := call(ctx, s, "look at", key, func() (*s3.HeadObjectOutput, error) {
		out, err := s.client.HeadObject(ctx, in)
		if status, _ := answer(err); status == http.StatusBadRequest {
			if err := s.explain(ctx, key); err != nil {
				return nil, err
			}
			return s.client.HeadObject(ctx, in)
		}
		return out, err
	})
	if err != nil {
		return Info{}, err
	}
	info := Info{Size: aws.ToInt64(out.ContentLength), ETag: aws.ToString(out.ETag), Modified: aws.ToTime(out.LastModified)}
	info.Archived = archived(out)
	if out.ChecksumType != types.ChecksumTypeComposite {
		info.SHA256, info.CRC64NVME = aws.ToString(out.ChecksumSHA256), aws.ToString(out.ChecksumCRC64NVME)
	}
	if strings.Contains(info.SHA256, "-") { // composite of an S3 that does not say so
		info.SHA256 = ""
	}
	return info, nil
}

// explain repeats a refused HEAD as a GET: only that has a body, which tells an
// expired token from a bad request.
func (s *Store) explain(ctx context.Context, key string) error {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.location.Bucket, Key: &key,
		Range: aws.String("bytes=0-0"), ExpectedBucketOwner: s.owner(),
	})
	if err != nil {
		return err
	}
	return out.Body.Close()
}

// Get returns a small object whole. One that is longer than limit bytes is a
// KindFatal error.
func (s *Store) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	var content []byte
	err := s.read(ctx, key, "", "", func(body io.Reader) (err error) {
		content, err = io.ReadAll(io.LimitReader(body, limit+1))
		return err
	})
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, &pipeline.Error{
			Op: "read", Object: key, Kind: pipeline.KindFatal,
			Err: fmt.Errorf("the object is longer than %d bytes", limit), Hint: "check that the location names the right object",
		}
	}
	return content, nil
}

// GetRange fills p with the bytes of an object from offset on. The range must
// lie within the object; an object whose ETag is another is ErrPrecondition.
func (s *Store) GetRange(ctx context.Context, key, etag string, offset int64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	bytes := fmt.Sprintf("bytes=%d-%d", offset, offset+int64(len(p))-1)
	return s.read(ctx, key, etag, bytes, func(body io.Reader) error {
		_, err := io.ReadFull(body, p)
		return err
	})
}

// Stream hands the whole of an object to consume, which is called again from
// the beginning when the connection breaks.
func (s *Store) Stream(ctx context.Context, key, etag string, consume func(io.Reader) error) error {
	return s.read(ctx, key, etag, "", consume)
}

// read is a GET whose body is retried too, which the SDK does not do.
func (s *Store) read(ctx context.Context, key, etag, bytes string, consume func(io.Reader) error) error {
	in := &s3.GetObjectInput{Bucket: &s.location.Bucket, Key: &key, ExpectedBucketOwner: s.owner()}
	if etag = quoted(etag); etag != "" {
		in.IfMatch = &etag
	}
	if bytes != "" {
		in.Range = &bytes
	}
	for attempt := 1; ; attempt++ {
		out, err := call(ctx, s, "read", key, func() (*s3.GetObjectOutput, error) { return s.client.GetObject(ctx, in) })
		if err != nil {
			return err
		}
		err = errors.Join(consume(out.Body), out.Body.Close())
		if err == nil {
			return nil
		}
		if attempt >= s.options.Attempts || worthRetrying(err) != aws.TrueTernary {
			return Fault("read", key, err)
		}
		if err := s.bodyPause(ctx, err, attempt); err != nil {
			return Fault("read", key, err)
		}
	}
}

// bodyPause waits before a broken body is asked for again.
func (s *Store) bodyPause(ctx context.Context, cause error, attempt int) error {
	wait := min(s.options.MaxBackoff, 100*time.Millisecond<<min(attempt, 10))
	s.observe(examine(cause).cause(), wait)
	return pipeline.Sleep(ctx, wait)
}

// Download writes an object of a known size and ETag to w, by ranges in
// parallel, each of which is retried alone. An object that is no longer the one
// that etag names is ErrPrecondition; etag may be "". w gets every byte of the
// object at least once, in any order, by concurrent calls.
func (s *Store) Download(ctx context.Context, key, etag string, size int64, w io.WriterAt) error {
	if size == 0 {
		return nil // there is no range of nothing
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	etag = quoted(etag)
	in := &s3.GetObjectInput{Bucket: &s.location.Bucket, Key: &key, ExpectedBucketOwner: s.owner()}
	downloader := manager.NewDownloader(&ranges{store: s, etag: etag}, func(d *manager.Downloader) { //nolint:staticcheck // see the import
		d.PartSize = s.options.PartSize
		d.Concurrency = downloadWorkers
		d.PartBodyMaxRetries = s.options.Attempts - 1
	})
	n, err := downloader.Download(ctx, &writer{WriterAt: w, cancel: cancel}, in) //nolint:staticcheck // see the import
	if broken, ok := errors.AsType[*writeError](context.Cause(ctx)); ok {
		err = broken.err
	}
	if err == nil && n != size {
		err = &pipeline.Error{
			Op: "download", Object: key, Kind: pipeline.KindFatal,
			Err: fmt.Errorf("got %d bytes of an object of %d", n, size), Hint: hintLater,
		}
	}
	return Fault("download", key, err)
}

// ranges is the client of the downloader: each range goes through call, so that
// credentials are renewed, and each broken body is told and waited for.
type ranges struct {
	store *Store
	etag  string // quoted, or ""
}

func (r *ranges) GetObject(ctx context.Context, in *s3.GetObjectInput, settings ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	key := aws.ToString(in.Key)
	if r.etag != "" {
		in.IfMatch = &r.etag // the downloader would trust the first answer's
	}
	out, err := call(ctx, r.store, "download", key, func() (*s3.GetObjectOutput, error) {
		return r.store.client.GetObject(ctx, in, settings...)
	})
	if err != nil {
		return nil, err
	}
	if r.etag != "" && aws.ToString(out.ETag) != r.etag {
		_ = out.Body.Close()
		return nil, &pipeline.Error{
			Op: "download", Object: key, Kind: pipeline.KindFatal,
			Err: &Scrubbed{Words: "the object has changed", is: ErrPrecondition}, Hint: "somebody else changed the object; nothing else may write there",
		}
	}
	out.Body = &brokenBody{ReadCloser: out.Body, ctx: ctx, store: r.store}
	return out, nil
}

// quoted returns an ETag as S3 sends it; a DynamoDB export's manifest has it
// without quotes.
func quoted(etag string) string {
	if etag == "" || strings.HasPrefix(etag, `"`) {
		return etag
	}
	return `"` + etag + `"`
}

// writer ends a download at the first error of the local disk: the downloader
// would take it for a broken body and fetch the range again.
type writer struct {
	io.WriterAt
	cancel context.CancelCauseFunc
}

type writeError struct{ err error }

func (e *writeError) Error() string { return "write: " + e.err.Error() }

func (w *writer) WriteAt(p []byte, offset int64) (int, error) {
	n, err := w.WriterAt.WriteAt(p, offset)
	if err != nil {
		w.cancel(&writeError{err})
	}
	return n, err
}

// brokenBody pauses where a body breaks: the downloader asks for the range
// again at once.
type brokenBody struct {
	io.ReadCloser
	ctx   context.Context //nolint:containedctx // the body belongs to one request
	store *Store
}

func (b *brokenBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		if canceled := b.store.bodyPause(b.ctx, err, 1); canceled != nil {
			return n, canceled
		}
	}
	return n, err
}
