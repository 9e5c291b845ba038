package report

// Printer prints a report that comes in pieces, so that none of it has to be kept but what
// its format has to know before.
type Printer interface {
	// Add prints what can be printed of a piece. Pieces are in the order of the input.
	Add(piece *Report) error
	// Close prints the rest.
	Close() error
}

// whole prints a report that is there as a whole.
func whole(p Printer, r *Report) error {
	if err := p.Add(r); err != nil {
		return err
	}
	return p.Close()
}
