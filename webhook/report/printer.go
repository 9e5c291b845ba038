package report

// Printer prints a report piece by piece. An implementation holds back only what its format requires to know in
// advance.
type Printer interface {
	// Add prints a piece, as far as that is possible already. Pieces are in the order of the input.
	Add(piece *Report) error
	// Close prints the rest.
	Close() error
}

// whole prints a complete report.
func whole(p Printer, r *Report) error {
	if err := p.Add(r); err != nil {
		return err
	}
	return p.Close()
}
