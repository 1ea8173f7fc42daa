// Package find tells what became of single resources: what the ledger knows of
// each version, where in the output it lies, and what the import made of it.
//
// Questions come as lines of text, answers go out in the order of the questions.
// Questions and answers hold ids: they are PHI (I10), so they are in no error and
// no log.
package find
