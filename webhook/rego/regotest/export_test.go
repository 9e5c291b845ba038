package regotest

import "taffrail.dev/webhook/decision"

// Request returns the request for the object of a case, or for another one in its place.
func (c *Case) Request(object map[string]any) (*decision.Request, error) { return c.request(object) }
