// Package bulk moves accounts by the million between files and a service.
//
// The reading side turns a file or standard input into chunks of rows: OpenInput
// decompresses, NewReader recognises the format and cuts the rows. Whatever is wrong with
// a row rejects this row, with its line and the reason, and never stops the rest; only an
// input that cannot be read as text at all ends in an error. Every chunk ends at a
// Position which a checkpoint can keep, and from which another Reader goes on after it has
// made sure that the input is still the same.
//
// The package judges whether a row can be read. Which names an account may have is judged
// by the service.
package bulk
