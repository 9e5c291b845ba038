// Package report writes the results of the commands, with one file per output format.
package report
