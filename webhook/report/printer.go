package report

// Printer prints a report that arrives in pieces. An implementation holds only what its format
// requires to be known in advance.
type Printer interface {
	// Add prints a piece, as far as that is possible already. Pieces are in the order of the input.
	Add(piece *Report) error
	// Close prints the rest.
	Close() error
}

// whole prints a report that is complete.
func whole(p Printer, r *Report) error {
	if err := p.Add(r); err != nil {
		return err
	}
	return p.Close()
}
