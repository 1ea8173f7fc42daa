// Package verification keeps what verifications have found, for those who ask
// later: the report, migrate, clean. A [Result] lies in
// state/verify/[<tenant>/]<mode>.json and holds numbers alone; what is found of
// single resources lies beside it, in files that are PHI.
package verification
