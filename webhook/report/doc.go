// Package report writes what the commands have to say, one file for each format.
package report
