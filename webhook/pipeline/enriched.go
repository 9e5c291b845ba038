package pipeline

import "taffrail.dev/webhook/review"

// Enrich adds to a request what its facts tell, as Decide does before policies are asked:
// for who asks one policy by itself, in a test of it.
func Enrich(r *review.Request) { predictPods(r, storedRequest, enrich(r), nil) }

// EnrichStored does the same with the stored object of an UPDATE, whose Pods are there.
func EnrichStored(old *review.Request) { predictPods(old, itself, enrich(old), nil) }
