package certs

import (
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
)

// A Secret that cert-manager manages is served while it is valid, and never written.
func TestSomebodyElsesSecretIsLeftAlone(t *testing.T) {
	_, data := newMaterial(t)
	delete(data, "ca.key")
	now := time.Now()
	m := rotationState{lifetimes: Lifetimes{Certificate: time.Hour, Authority: 3 * time.Hour}, name: name}
	if m.servingPair(data, now) == nil {
		t.Error("it is not served")
	}
	for what, when := range map[string]time.Time{"good": now, "expired": now.Add(30 * 24 * time.Hour)} {
		if change, err := m.next(data, nil, when); change != nil || !errors.Is(err, errForeign) {
			t.Errorf("%s: %v, %v", what, change, err)
		}
	}
}

// A certificate that is invalid although it was just written must not be replaced at once: another replica with
// a different clock may do the same.
func TestNobodyWritesInHaste(t *testing.T) {
	now := time.Now()
	m := rotationState{lifetimes: Lifetimes{Certificate: time.Hour, Authority: 3 * time.Hour}, name: name}
	if change, err := m.next(nil, nil, now); change == nil || err != nil {
		t.Fatalf("%v, %v", change, err)
	}
	if change, err := m.next(nil, nil, now); change == nil || err != nil {
		t.Errorf("what could not be written is not tried again: %v, %v", change, err)
	}
	m.wrote = now
	if change, err := m.next(nil, nil, now.Add(minWriteInterval-1)); change != nil || !errors.Is(err, errWrittenTooSoon) {
		t.Errorf("%v, %v", change, err)
	}
	if change, err := m.next(nil, nil, now.Add(minWriteInterval)); change == nil || err != nil {
		t.Errorf("%v, %v", change, err)
	}
}

func TestNewRotatorRequiresAllOptions(t *testing.T) {
	whole := Options{
		Namespace: "n", Secret: "s", Service: "v", Configuration: "c", Lifetimes: Lifetimes{Certificate: time.Hour, Authority: 3 * time.Hour},
	}
	for what, empty := range map[string]func(*Options){
		"Namespace": func(o *Options) { o.Namespace = "" }, "Secret": func(o *Options) { o.Secret = "" },
		"Service": func(o *Options) { o.Service = "" }, "Configuration": func(o *Options) { o.Configuration = "" },
	} {
		o := whole
		empty(&o)
		if _, err := NewRotator(&rest.Config{}, o, logr.Discard(), nil); !errors.Is(err, errMissing) {
			t.Errorf("without %s: %v", what, err)
		}
	}
	o := whole
	o.Authority = time.Hour
	if _, err := NewRotator(&rest.Config{}, o, logr.Discard(), nil); !errors.Is(err, errLifetimes) {
		t.Errorf("an authority that lives too short: %v", err)
	}
	if _, err := NewRotator(&rest.Config{}, whole, logr.Discard(), nil); err != nil {
		t.Error(err)
	}
}
