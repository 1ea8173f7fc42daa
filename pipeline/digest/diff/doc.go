// Package diff names the elements in which two resources differ: digests say that
// they do, this package says where.
//
//	d := diff.New(diff.Marks{...})
//	theirs, err := d.Read(body, nil)
//	ours, err := d.Read(line, theirs)
//	found, more := d.Compare("Patient", ours, theirs, 10)  // Patient.name[0].given[1]: changed
//
// It compares what the digests of package digest are made of, canonical text: where
// those agree, nothing is named. Of the other system's side it leaves out what that
// is known to add of its own accord, see [Marks].
//
// A [Difference] is a path and a kind, and both come from closed lists: kinds are
// those of this package, names of elements those that FHIR has, array elements are
// numbers. So it holds no value, no id, and no name that a resource made up (I10).
//
// Long strings, the content of a Binary above all, are not kept but by length and
// SHA-256, so memory does not grow with them.
//
// It is pure: bytes in, paths out.
package diff
