package regotest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/yaml"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
)

// Case is one document of a case file.
type Case struct {
	Name string `json:"name"`
	// Policy is required only if the folder has several policies.
	Policy         string                                   `json:"policy"`
	Object         map[string]any                           `json:"object"`
	OldObject      map[string]any                           `json:"oldObject"`
	Operation      decision.Operation                       `json:"operation"`
	Origin         decision.Origin                          `json:"origin"`
	User           User                                     `json:"user"`
	Namespace      Namespace                                `json:"namespace"`
	Parameters     map[string]any                           `json:"parameters"`
	LimitRanges    []*corev1.LimitRange                     `json:"limitRanges"`
	Quotas         []*corev1.ResourceQuota                  `json:"resourceQuotas"`
	Autoscalers    []*autoscalingv2.HorizontalPodAutoscaler `json:"horizontalPodAutoscalers"`
	Claims         []*corev1.PersistentVolumeClaim          `json:"persistentVolumeClaims"`
	StorageClasses []*storagev1.StorageClass                `json:"storageClasses"`
	Findings       *[]Finding                               `json:"findings"`
	Intents        []Intent                                 `json:"intents"`

	// File and Line locate the start of the case.
	File string `json:"-"`
	Line int    `json:"-"`
}

// User is the user who makes the request.
type User struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
}

// Namespace is the namespace of the object.
type Namespace struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

// Finding is an expected finding. Key, Excess, Fix and Tolerated are compared only if the case sets them.
type Finding struct {
	Container string                     `json:"container,omitempty"`
	Path      string                     `json:"path"`
	Message   string                     `json:"message"`
	Key       string                     `json:"key,omitempty"`
	Excess    json.Number                `json:"excess,omitempty"`
	AtMost    string                     `json:"at_most,omitempty"`
	Unknown   string                     `json:"unknown,omitempty"`
	Fix       *[]decision.PatchOperation `json:"fix,omitempty"`
	Tolerated *bool                      `json:"tolerated,omitempty"`
}

// Intent is a value that a policy proposes to inject.
type Intent struct {
	Container string `json:"container"`
	Field     string `json:"field"`
	Value     string `json:"value"`
}

// Error reports a fault in a case file.
type Error struct {
	File   string
	Line   int
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// Read returns the cases of a file. Unknown fields are errors. Each error is an *Error.
func Read(data []byte, file string) (cases []*Case, errs []error) {
	for _, chunk := range yamldoc.Split(data) {
		doc, err := yamldoc.Parse(chunk)
		if broken := new(yamldoc.Error); errors.As(err, &broken) {
			errs = append(errs, &Error{File: file, Line: broken.Line, Reason: broken.Error()})
			continue
		}
		if doc.Value == nil {
			continue
		}
		c := &Case{File: file, Line: doc.Line}
		if err := yaml.UnmarshalStrict(chunk.Data, c); err != nil {
			errs = append(errs, &Error{File: file, Line: doc.Line, Reason: plainReason(err)})
			continue
		}
		if c.Name == "" || c.Findings == nil || c.Object == nil {
			errs = append(errs, &Error{File: file, Line: doc.Line, Reason: "a case needs a name, an object and findings: [] for none"})
			continue
		}
		cases = append(cases, c)
	}
	return cases, errs
}

// plainReason strips the name of the parser from an error.
func plainReason(err error) string {
	reason := strings.TrimPrefix(err.Error(), "error unmarshaling JSON: ")
	reason = strings.TrimPrefix(reason, "while decoding JSON: ")
	return strings.TrimPrefix(reason, "json: ")
}
