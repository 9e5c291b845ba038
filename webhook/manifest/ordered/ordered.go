// Package ordered maps a sequence in parallel and keeps its order.
package ordered

import (
	"iter"
	"runtime"
)

// lookahead is the number of elements per processor that may be mapped before the first of them
// is consumed. It limits memory use.
const lookahead = 4

// Map yields f of every element, in order. f is called concurrently, on as many goroutines as
// there are processors.
func Map[In, Out any](elements iter.Seq[In], f func(In) Out) iter.Seq[Out] {
	return func(yield func(Out) bool) {
		workers := runtime.GOMAXPROCS(0)
		queue, stop := make(chan chan Out, lookahead*workers), make(chan struct{})
		go func() {
			defer close(queue)
			slots := make(chan struct{}, workers)
			for element := range elements {
				result := make(chan Out, 1)
				select {
				case queue <- result:
				case <-stop:
					return
				}
				slots <- struct{}{}
				go func() {
					result <- f(element)
					<-slots
				}()
			}
		}()
		// The elements must not be read after Map has returned.
		defer func() {
			close(stop)
			for result := range queue {
				<-result
			}
		}()
		for result := range queue {
			if !yield(<-result) {
				return
			}
		}
	}
}
