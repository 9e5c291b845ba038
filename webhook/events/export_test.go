package events

import "context"

// WriteAll writes what is due, as Run does from time to time.
func WriteAll(ctx context.Context, w *Writer) { w.writeAll(ctx) }
