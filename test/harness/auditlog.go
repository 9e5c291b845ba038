package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// AuditEvent is a request in the API server's audit log.
type AuditEvent struct {
	AuditID string `json:"auditID"`
	Verb    string `json:"verb"`
	User    struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Annotations map[string]string `json:"annotations"`
}

// auditLog reads the log as it grows.
type auditLog struct {
	file   string
	mutex  sync.Mutex
	offset int64
	events []AuditEvent
}

// all returns the events so far.
func (l *auditLog) all() ([]AuditEvent, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	file, err := os.Open(l.file)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	if _, err := file.Seek(l.offset, io.SeekStart); err != nil {
		return nil, err
	}
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF { // an incomplete line is read the next time
			return slices.Clone(l.events), nil
		}
		if err != nil {
			return nil, err
		}
		var event AuditEvent
		if err := json.Unmarshal(bytes.TrimSpace(line), &event); err != nil {
			return nil, fmt.Errorf("the audit log: %w", err)
		}
		l.offset += int64(len(line))
		l.events = append(l.events, event)
	}
}

// Audited waits for requests to appear in the audit log, which may happen after they are answered. It returns
// the first match.
func (h *Harness) Audited(ctx context.Context, what string, matches func(*AuditEvent) bool) (*AuditEvent, error) {
	var found *AuditEvent
	err := Eventually(ctx, what+" in the audit log", func(context.Context) error {
		events, err := h.audit.all()
		if err != nil {
			return err
		}
		if at := slices.IndexFunc(events, func(e AuditEvent) bool { return matches(&e) }); at >= 0 {
			found = &events[at]
			return nil
		}
		return fmt.Errorf("none of %d requests", len(events))
	})
	return found, err
}

// AuditEvents returns the requests that have appeared in the audit log so far.
func (h *Harness) AuditEvents() ([]AuditEvent, error) { return h.audit.all() }

// AuditLog returns the name of the audit log's file.
func (h *Harness) AuditLog() string { return h.audit.file }

// AuditedAnswer returns the audit log's entry of one write.
func (h *Harness) AuditedAnswer(ctx context.Context, a *Answer) (*AuditEvent, error) {
	return h.Audited(ctx, "request "+a.AuditID, func(e *AuditEvent) bool { return e.AuditID == a.AuditID })
}
