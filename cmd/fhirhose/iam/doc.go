// Package iam writes the policies that a job needs, from its settings alone: who
// runs fhirhose, the role that HealthLake assumes, whom it trusts, and who cleans up
// afterwards. Each names the job's own buckets, prefixes, keys, table and data
// stores, and no action that no verb uses: a test holds them against the calls that
// the code makes. It asks nobody; what the settings do not tell stands as REGION or
// ACCOUNT_ID, and in a note.
//
// Actions: the Service Authorization Reference of each service.
package iam
