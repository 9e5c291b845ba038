package rego

import (
	"container/list"
	"crypto/sha256"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// spare is how many users' Policies the cache keeps in addition to twice as many as exist. A compiled
// Policy takes some 300 KB, and earlier versions soon become useless.
const spare = 16

// userModule is the module of one user's Policy, as readUserModule found it.
type userModule struct {
	policy *Policy
	module *ast.Module
	err    error
}

// userCache remembers users' Policies by their name and text. Whether one is sound, and what it
// compiles to, depends on nothing else but the library, so a change of one Policy or Guardrail
// leaves all others as they are. It is safe for concurrent use.
type userCache struct {
	mutex   sync.Mutex
	entries map[[sha256.Size]byte]*list.Element
	recent  *list.List // of *cachedModule, the last used one first
}

type cachedModule struct {
	key [sha256.Size]byte
	// read is called without the mutex: compiling one Policy must not hold up another.
	read func() userModule
}

func newUserCache() *userCache {
	return &userCache{entries: map[[sha256.Size]byte]*list.Element{}, recent: list.New()}
}

func (c *userCache) get(name, source string, read func() userModule) userModule {
	return c.find(sha256.Sum256([]byte(name+"\x00"+source)), read).read()
}

func (c *userCache) find(key [sha256.Size]byte, read func() userModule) *cachedModule {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if found, ok := c.entries[key]; ok {
		c.recent.MoveToFront(found)
		return found.Value.(*cachedModule)
	}
	entry := &cachedModule{key: key, read: sync.OnceValue(read)}
	c.entries[key] = c.recent.PushFront(entry)
	return entry
}

// trim forgets what was not used for the longest time, where there are so many Policies now.
func (c *userCache) trim(now int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for c.recent.Len() > 2*now+spare {
		oldest := c.recent.Back()
		c.recent.Remove(oldest)
		delete(c.entries, oldest.Value.(*cachedModule).key)
	}
}
