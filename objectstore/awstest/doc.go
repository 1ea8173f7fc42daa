// Package awstest is what the simulations of AWS services have in common: the
// check of a request's signature, and a transport that needs no network.
//
// Neighbours: sinks/healthlake/healthlaketest, sources/dynamoexport/dynamodbtest.
package awstest
