package healthlaketest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// apiError is an error of the control plane.
type apiError struct {
	status int
	Type   string `json:"__type"`
	Text   string `json:"message"`
}

func refusal(status int, code, text string) *apiError {
	return &apiError{status: status, Type: code, Text: text + " " + ServerText}
}

func invalid(text string) *apiError {
	return refusal(http.StatusBadRequest, "ValidationException", text)
}

func throttled() *apiError {
	return refusal(http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
}

func notFound(text string) *apiError {
	return refusal(http.StatusBadRequest, "ResourceNotFoundException", text)
}

// injected is how the control plane words a fault.
func injected(fault Fault) *apiError {
	switch fault {
	case Throttled:
		return throttled()
	case ServerError:
		return refusal(http.StatusInternalServerError, "InternalServerException", "Internal error")
	case Unauthorized:
		return refusal(http.StatusForbidden, "ExpiredTokenException", "The security token included in the request is expired")
	case Forbidden:
		return refusal(http.StatusBadRequest, "AccessDeniedException", "User is not authorized to perform this action")
	case NoFault, Reset, Lost, Truncated:
	}
	return nil
}

// control answers a call of the control plane (awsJson1.0).
func (s *Simulation) control(r *request, fault Fault, answer *bytes.Buffer) (int, http.Header) {
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}}
	out, refused := s.operate(r, fault)
	status := http.StatusOK
	if refused != nil {
		out, status = refused, refused.status
	}
	if json.NewEncoder(answer).Encode(out) != nil {
		status = http.StatusInternalServerError
	}
	header.Set("Content-Length", strconv.Itoa(answer.Len()))
	return status, header
}

func (s *Simulation) operate(r *request, fault Fault) (any, *apiError) {
	if refused := injected(fault); refused != nil {
		return nil, refused
	}
	if code := s.checkSignature(r); code != "" {
		return nil, refusal(http.StatusForbidden, code, "The request is not signed as it must be.")
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.0" {
		return nil, refusal(http.StatusNotFound, "UnknownOperationException", "")
	}
	switch r.op {
	case "StartFHIRImportJob":
		return with(r, s.startImport)
	case "StartFHIRExportJob":
		return with(r, s.startExport)
	case "DescribeFHIRImportJob":
		return with(r, func(in jobRequest) (any, *apiError) {
			return describe(&s.imports, in, "ImportJobProperties")
		})
	case "DescribeFHIRExportJob":
		return with(r, func(in jobRequest) (any, *apiError) {
			return describe(&s.exports, in, "ExportJobProperties")
		})
	case "ListFHIRImportJobs":
		return with(r, func(in listRequest) (any, *apiError) {
			return s.list(&s.imports, in, "ImportJobPropertiesList")
		})
	case "ListFHIRExportJobs":
		return with(r, func(in listRequest) (any, *apiError) {
			return s.list(&s.exports, in, "ExportJobPropertiesList")
		})
	case "DescribeFHIRDatastore":
		return with(r, func(in jobRequest) (any, *apiError) {
			store, known := s.stores[in.DatastoreID]
			if !known {
				return nil, notFound("Data store " + in.DatastoreID + " does not exist.")
			}
			return map[string]any{"DatastoreProperties": store.properties(r.Request, s.options.Region)}, nil
		})
	case "ListFHIRDatastores":
		all := []storeProperties{}
		for _, options := range s.options.Stores {
			all = append(all, s.stores[options.ID].properties(r.Request, s.options.Region))
		}
		return map[string]any{"DatastorePropertiesList": all}, nil
	}
	return nil, refusal(http.StatusNotFound, "UnknownOperationException", "")
}

// with reads the request's body.
func with[In any](r *request, do func(In) (any, *apiError)) (any, *apiError) {
	var in In
	if err := json.Unmarshal(r.body, &in); err != nil {
		return nil, refusal(http.StatusBadRequest, "SerializationException", err.Error())
	}
	return do(in)
}

type jobRequest struct {
	DatastoreID string `json:"DatastoreId"`
	JobID       string `json:"JobId"`
}

func describe(q *queue, in jobRequest, member string) (any, *apiError) {
	j := q.byID(in.DatastoreID, in.JobID)
	if j == nil {
		return nil, notFound("Job " + in.JobID + " does not exist.")
	}
	return map[string]any{member: j.properties()}, nil
}

type listRequest struct {
	DatastoreID     string   `json:"DatastoreId"`
	JobName         string   `json:"JobName"`
	JobStatus       string   `json:"JobStatus"`
	SubmittedAfter  *float64 `json:"SubmittedAfter"` // epoch seconds
	SubmittedBefore *float64 `json:"SubmittedBefore"`
	MaxResults      *int     `json:"MaxResults"`
	NextToken       string   `json:"NextToken"`
}

// list answers with the jobs of a store, the newest first.
func (s *Simulation) list(q *queue, in listRequest, member string) (any, *apiError) {
	if s.stores[in.DatastoreID] == nil {
		return nil, notFound("Data store " + in.DatastoreID + " does not exist.")
	}
	most := 100
	if in.MaxResults != nil {
		most = *in.MaxResults
	}
	if most < 1 || most > 500 {
		return nil, invalid("MaxResults must be from 1 to 500.")
	}
	from := len(q.jobs)
	if in.NextToken != "" {
		n, err := strconv.Atoi(in.NextToken)
		if err != nil || n < 0 || n > len(q.jobs) {
			return nil, invalid("NextToken is not valid.")
		}
		from = n
	}
	page := []jobProperties{}
	answer := map[string]any{}
	for i := from - 1; i >= 0; i-- {
		if !s.listed(q.jobs[i], in) {
			continue
		}
		if len(page) == most {
			answer["NextToken"] = strconv.Itoa(i + 1)
			break
		}
		page = append(page, q.jobs[i].properties())
	}
	answer[member] = page
	return answer, nil
}

func (s *Simulation) listed(j *job, in listRequest) bool {
	at := float64(j.submitted.UnixMilli()) / 1000
	return j.start.DatastoreID == in.DatastoreID &&
		(in.JobName == "" || in.JobName == j.start.JobName || s.traps.LooseNames && strings.HasPrefix(j.start.JobName, in.JobName)) &&
		(in.JobStatus == "" || in.JobStatus == j.status) &&
		(in.SubmittedAfter == nil || at > *in.SubmittedAfter) &&
		(in.SubmittedBefore == nil || at < *in.SubmittedBefore) &&
		s.since(j.submitted) >= s.traps.ListLag
}

func (s *Simulation) since(t time.Time) time.Duration { return s.options.Now().Sub(t) }
