package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// canaryRows has a row for each record-level defect, and good ones.
func canaryRows() []string {
	row := recordstest.CanaryRow
	rows := []string{
		canary + " is not JSON",
		row(1, `"resourceType":{"S":"Patient"}`, `"resourceType":{"S":"../../`+canary+`"}`),
		row(2, `"id":{"S":"`, `"id":{"S":"no id! `),
		row(3, `"vid":{"N":"1"}`, `"vid":{"N":"`+canary+`"}`),
		row(4, `"AVAILABLE"`, `"`+canary+`"`),
		row(5, `"meta":{"M":{`, `"meta":{"S":"`+canary+`"},"other":{"M":{`),
		row(6, `{"N":"3"}`, `{"N":"`+canary+`"}`),
		row(7, `{"N":"3"}`, `{"`+canary+`":"3"}`),
		row(8, `"multipleBirthInteger"`, `"no element `+canary+`!"`, `{"N":"3"}`, `{"N":"x"}`),
		row(9, `"tag":{"L":[{"M":{"code":{"S":"`+canary+`"}}}]}`, `"tag":{"S":"`+canary+`"}`),
		row(10, `2026-01-02T03:04:05.678Z`, canary),
		row(11, `AVAILABLE`, `LOCKED`, `1795194324720`, `17`),
		strings.Replace(row(12), `"family"`, `"`+canary+"\xff"+`"`, 1),
		row(13) + canary,
		row(14, `"given"`, `"family"`),
		strings.Repeat(`{"`+canary+`":`, 5000),
	}
	for n := range 50 {
		rows = append(rows, row(100+n))
	}
	return rows
}

func TestCanary(t *testing.T) {
	f := func(name string, wantExit int, rows []string, prepare func(t *testing.T, c *cage)) {
		t.Run(name, func(t *testing.T) {
			c := newCage(t, rows)
			if prepare != nil {
				prepare(t, c)
			}
			if exit := c.moveAndTell(calm, "check", "status", "report"); exit != wantExit {
				t.Errorf("exit %d, want %d\n%s", exit, wantExit, c.out.String())
			}
			c.inspect(t)
		})
	}
	row := recordstest.CanaryRow
	good := []string{row(1), row(2)}
	f("every record-level defect", 3, canaryRows(), nil)
	f("multi-tenant rows without tenant", 2, []string{row(1, `"vid"`, `"_tenantId":{"S":"`+canary+`"},"_id":{"S":"`+canary+`"},"vid"`)}, nil)
	f("tenant fields that disagree", 3, []string{row(1, `"vid"`, `"_tenantId":{"S":"t"},"_id":{"S":"`+canary+`"},"vid"`)},
		func(_ *testing.T, c *cage) { c.tenant = "t" })
	f("wrong count", 7, good, func(t *testing.T, c *cage) {
		c.rewrite(t, "manifest-files.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"itemCount":2`), []byte(`"itemCount":3`), 1) })
		c.rewrite(t, "manifest-summary.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"itemCount":2`), []byte(`"itemCount":3`), 1) })
	})
	f("manifest is not JSON", 7, good, func(t *testing.T, c *cage) {
		c.rewrite(t, "manifest-files.json", func([]byte) []byte { return []byte("<" + canary + ">") })
	})
	f("claimed by another", 11, good, func(t *testing.T, c *cage) {
		c.write(t, "out/canary/_fhirhose/claim.json", canary)
	})
	f("checkpoint of something else", 10, good, func(t *testing.T, c *cage) {
		c.write(t, "state/checkpoint.db", strings.Repeat(canary, 10000))
	})
}

func TestCanaryInTrouble(t *testing.T) {
	row := recordstest.CanaryRow
	troubleAtEveryIO(t, func(t *testing.T) *cage {
		return newCage(t, []string{row(1), row(2, "AVAILABLE", "PENDING"), canary})
	})
}
