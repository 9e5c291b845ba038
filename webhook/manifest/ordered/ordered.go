// Package ordered maps a sequence on several processors and keeps its order.
package ordered

import (
	"iter"
	"runtime"
)

// ahead is how many elements for each processor may be mapped before the first of them
// is wanted. It bounds what is held in memory.
const ahead = 4

// Map yields f of every element, in their order. f is called for several elements at
// once, on as many processors as there are.
func Map[In, Out any](elements iter.Seq[In], f func(In) Out) iter.Seq[Out] {
	return func(yield func(Out) bool) {
		workers := runtime.GOMAXPROCS(0)
		queue, stop := make(chan chan Out, ahead*workers), make(chan struct{})
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
		// The elements must not be read any more once this has returned.
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
