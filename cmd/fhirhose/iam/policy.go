package iam

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Policies are the documents of a job; nil where the job needs none.
type Policies struct {
	Operator     *Document `json:"operator"`
	Role         *Document `json:"data_access_role,omitempty"`
	Trust        *Document `json:"data_access_role_trust,omitempty"`
	BucketPolicy *Document `json:"export_bucket_policy,omitempty"`
	Clean        *Document `json:"clean"`
	Notes        []string  `json:"notes"`
}

// Document is a policy.
type Document struct {
	Version   string      `json:"Version"`
	Statement []Statement `json:"Statement"`
}

// Statement allows something. JSON has no comments: Why stands beside it in text.
type Statement struct {
	Sid       string                         `json:"Sid"`
	Effect    string                         `json:"Effect"`
	Principal map[string]string              `json:"Principal,omitempty"`
	Action    []string                       `json:"Action"`
	Resource  []string                       `json:"Resource,omitempty"`
	Condition map[string]map[string][]string `json:"Condition,omitempty"`
	Why       string                         `json:"-"`
}

func newDocument() *Document { return &Document{Version: "2012-10-17", Statement: []Statement{}} }

// allow adds a statement, unless there is nothing to allow it on.
func (d *Document) allow(sid, why string, resources []string, actions ...string) {
	if len(resources) > 0 {
		d.Statement = append(d.Statement, Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources, Why: why})
	}
}

// Text writes the documents for people, each statement with its reason.
func (p *Policies) Text(out io.Writer) error {
	var b strings.Builder
	for _, named := range []struct {
		title string
		d     *Document
	}{
		{"Policy of the identity that runs fhirhose", p.Operator},
		{"Policy of HealthLake's data access role (target.healthlake.role_arn)", p.Role},
		{"Trust policy of that role", p.Trust},
		{"Policy of the bucket of export_to, which is in another account than the table", p.BucketPolicy},
		{"Policy for `fhirhose clean` and `fhirhose move --restart` alone: give it to whom may remove data, and when they do", p.Clean},
	} {
		if named.d == nil || len(named.d.Statement) == 0 {
			continue
		}
		_, _ = fmt.Fprintf(&b, "# %s\n#\n", named.title)
		for _, s := range named.d.Statement {
			_, _ = fmt.Fprintf(&b, "# %-26s %s\n", s.Sid, s.Why)
		}
		text, err := json.MarshalIndent(named.d, "", "  ")
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(&b, "%s\n\n", text)
	}
	b.WriteString("# Notes\n")
	for _, note := range p.Notes {
		_, _ = fmt.Fprintf(&b, "# - %s\n", note)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
