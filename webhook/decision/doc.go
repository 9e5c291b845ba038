// Package decision holds the plain data at the centre of Taffrail: a normalized
// Request, what a policy found in it, and the Decision about it; and the words in which
// a Decision is told, because every entrance must tell it in the same.
//
// Admission, the command line and the audit meet here and share everything from
// here on, so that they cannot disagree. The package knows neither OPA nor a
// client, and imports nothing else of Taffrail.
package decision
