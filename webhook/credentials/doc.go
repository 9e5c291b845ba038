// Package credentials finds credentials in the values, command lines and files of Kubernetes objects,
// recognizing them by their shape, by their name, or by the program that takes them.
//
// Every detector is a row of a table. A match never contains any part of a value, so nothing derived from it
// can leak one. The work is linear in the length of the text; the number of candidates that are examined
// closely is limited.
//
// text.go has what looks for credentials in a text: each detector is a function that begins with find, and is in
// a file with its table. shapes.go looks for values that are recognized alone, with readers of long ones in
// token_readers.go. assignments.go, pairs.go, xml.go, settings.go and defaults.go look for a name and its value,
// flags.go, headers.go, urls.go, grammar.go and file_formats.go for what a syntax defines as a credential, and
// commands.go for the arguments of the programs in clients.go. command_line.go and annotation.go have the other
// entrances. names.go decides whether a name is that of a credential, and values.go whether a value is one.
// public_keys.go and secret_references.go recognize what is no secret.
package credentials
