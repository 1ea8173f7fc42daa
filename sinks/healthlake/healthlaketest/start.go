package healthlaketest

import (
	"regexp"
	"unicode/utf8"
)

var (
	role  = regexp.MustCompile(`^arn:aws(-[^:]+)?:iam::[0-9]{12}:role/.+$`)
	token = regexp.MustCompile(`^[a-zA-Z0-9-]{1,64}$`)
	name  = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-%@]*$`)
)

func (s *Simulation) startImport(in startRequest) (any, *apiError) {
	switch _, _, ok := splitURI(in.input()); {
	case !ok:
		return nil, invalid("InputDataConfig.S3Uri is not valid.")
	case in.OutputDataConfig != nil:
		return nil, invalid("OutputDataConfig is not a member of this request.")
	}
	switch in.ValidationLevel {
	case "", "strict", "structure-only", "minimal":
	default:
		return nil, invalid("ValidationLevel is not valid.")
	}
	return s.startJob(&s.imports, in)
}

func (s *Simulation) startExport(in startRequest) (any, *apiError) {
	if in.InputDataConfig != nil || in.JobOutputDataConfig != nil || in.ValidationLevel != "" {
		return nil, invalid("These are members of an import.")
	}
	return s.startJob(&s.exports, in)
}

// startJob answers a start, with a new job or that of the same client token.
func (s *Simulation) startJob(q *queue, in startRequest) (any, *apiError) {
	_, _, isOutput := splitURI(in.output().S3Uri)
	switch {
	case !isOutput || in.output().KmsKeyID == "":
		return nil, invalid("S3Configuration needs an S3Uri and a KmsKeyId.")
	case !role.MatchString(in.DataAccessRoleArn):
		return nil, invalid("DataAccessRoleArn is not valid.")
	case !token.MatchString(in.ClientToken):
		return nil, invalid("ClientToken is not valid.")
	case !name.MatchString(in.JobName), utf8.RuneCountInString(in.JobName) > 64:
		return nil, invalid("JobName is not valid.")
	}
	store, known := s.stores[in.DatastoreID]
	if !known {
		return nil, notFound("Data store " + in.DatastoreID + " does not exist.")
	}
	if store.Status != active {
		return nil, refusal(400, "ConflictException", "The data store is not active.")
	}
	if j := s.ofToken(q, in); j != nil {
		if !in.same(j.start) && !s.traps.AnyToken {
			return nil, invalid("The client token was used with other parameters.")
		}
		return startAnswer{DatastoreID: in.DatastoreID, JobID: j.id, JobStatus: j.status}, nil
	}
	if n := len(q.jobs); n > 0 && s.since(q.jobs[n-1].submitted) < s.traps.StartGap {
		return nil, throttled()
	}
	if q.waiting(in.DatastoreID) > s.options.Quotas.Queued {
		return nil, throttled()
	}
	s.watchStart(q, in)
	j := q.add(in, s.options.Now())
	return startAnswer{DatastoreID: in.DatastoreID, JobID: j.id, JobStatus: j.status}, nil
}

// ofToken is the job that was started with the same client token.
func (s *Simulation) ofToken(q *queue, in startRequest) *job {
	for _, j := range q.jobs {
		forgotten := s.traps.TokenLife > 0 && s.since(j.submitted) >= s.traps.TokenLife
		if j.start.ClientToken == in.ClientToken && !forgotten {
			return j
		}
	}
	return nil
}
