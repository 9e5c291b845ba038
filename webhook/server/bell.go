package server

// bell wakes whoever waits for it. Any number of kicks before that are one.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

// kick never blocks.
func (b bell) kick() {
	select {
	case b <- struct{}{}:
	default:
	}
}
