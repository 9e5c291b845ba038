package engine

// Counting returns the same program, which reports the steps of each evaluation: "" is the library.
func (p *Program) Counting(report func(policy string, steps int)) *Program {
	counting := *p
	counting.steps = report
	return &counting
}
