// Package fhirworks reads resources from the live API of FHIR Works on AWS, so that
// a verification can tell what changed there after the export.
//
// Every call bears the API key and a token: of Amazon Cognito for a user, or of a
// SMART authorization server. No error holds a token, a key, an id or a URL (I10).
// It was tested against a simulation, never against a live FHIR Works.
package fhirworks
