package rego

import (
	"container/list"
	"crypto/sha256"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// spare is the number of users' Policies to cache beyond twice as many as exist. A compiled Policy takes about
// 300 KB, and earlier versions soon become useless.
const spare = 16

// userModule is the module of one user's Policy, as readUserModule found it.
type userModule struct {
	policy *Policy
	module *ast.Module
	err    error
}

// userCache caches users' Policies by name and text. Whether a Policy is sound, and what it compiles to,
// depends only on its text and the library, so a change of one Policy or Guardrail leaves all others valid. It
// is safe for concurrent use.
type userCache struct {
	mutex   sync.Mutex
	entries map[[sha256.Size]byte]*list.Element
	recent  *list.List // of *cachedModule, most recently used first
}

type cachedModule struct {
	key [sha256.Size]byte
	// read runs without the mutex: compiling one Policy must not block another.
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

// trim evicts the least recently used entries. now is the number of Policies that exist.
func (c *userCache) trim(now int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for c.recent.Len() > 2*now+spare {
		oldest := c.recent.Back()
		c.recent.Remove(oldest)
		delete(c.entries, oldest.Value.(*cachedModule).key)
	}
}
