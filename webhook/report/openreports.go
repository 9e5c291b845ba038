package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/decision"
)

// What reports of Taffrail have in common. Only reports with both labels are Taffrail's.
const (
	ReportSource   = "taffrail"
	LabelManagedBy = "app.kubernetes.io/managed-by"
	LabelInstance  = "app.kubernetes.io/instance"
	propertyResult = "resultID" // Policy Reporter identifies a result by this property
	propertyOwner  = "owner"
	// MaxText is the number of characters that a report has of a text.
	MaxText = 1000
	maxKey  = 512 // bytes
)

// AuditedObject is an object of a cluster with the findings about it.
type AuditedObject struct {
	Kind                 schema.GroupVersionKind
	Namespace, Name, UID string
	// Owner names the team that the object belongs to. It is empty if nothing does.
	Owner    string
	Findings []AuditedFinding
}

// AuditedFinding is a finding about an object of a cluster.
type AuditedFinding struct {
	decision.Finding

	// FirstSeen is when an audit first found it.
	FirstSeen time.Time
}

// Passes counts what a report does not list.
type Passes struct {
	// Passed is how many times a policy found nothing in an object, and Exempted the number of findings
	// that Exemptions exempt.
	Passed, Exempted int
}

// OpenReport is the content of one Report, or of one ClusterReport if Namespace is empty.
type OpenReport struct {
	Namespace, Name, Instance string
	Summary                   openreports.ReportSummary
	// Results are sorted by object, policy, container and id.
	Results []openreports.ReportResult
}

// OpenReports returns the reports of a namespace, or of cluster-scoped objects if namespace is empty,
// sorted by name. There is none without a finding. Which report has a result depends on the UID of the
// object alone as long as no report would be too large, so that a change of one object changes one
// report. Exempted findings are left out. The name, which is also the instance in the labels, is that of the first report
// and begins all other names.
func OpenReports(namespace, name string, objects []AuditedObject, passes Passes) []OpenReport {
	var items []reportItem
	for i := range objects {
		items = append(items, itemsOf(&objects[i])...)
	}
	if len(items) == 0 {
		return nil
	}
	slices.SortFunc(items, func(a, b reportItem) int { return slices.Compare(a.key[:], b.key[:]) })
	var all []OpenReport
	for _, part := range shards(items, "", 0) {
		r := OpenReport{Namespace: namespace, Name: name + part.suffix, Instance: name}
		slices.SortFunc(part.items, compareItems)
		for i := range part.items {
			r.Results = append(r.Results, part.items[i].result)
			countResult(&r.Summary, part.items[i].result.Result)
		}
		all = append(all, r)
	}
	all[0].Summary.Pass, all[0].Summary.Skip = passes.Passed, passes.Exempted
	return all
}

// Digest is equal for reports with the same results. It does not depend on the number of passes,
// which changes with every object that comes and goes.
func (r *OpenReport) Digest() string {
	summary := r.Summary
	summary.Pass = 0
	// These types have no field without a JSON form.
	text, _ := json.Marshal([]any{r.Results, summary, r.Instance})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Report returns a Report with the content.
func (r *OpenReport) Report() *openreports.Report {
	return &openreports.Report{
		TypeMeta:   metav1.TypeMeta{APIVersion: openreports.SchemeGroupVersion.String(), Kind: "Report"},
		ObjectMeta: r.metadata(), Source: ReportSource, Summary: r.Summary, Results: r.Results,
	}
}

// ClusterReport returns a ClusterReport with the content.
func (r *OpenReport) ClusterReport() *openreports.ClusterReport {
	return &openreports.ClusterReport{
		TypeMeta:   metav1.TypeMeta{APIVersion: openreports.SchemeGroupVersion.String(), Kind: "ClusterReport"},
		ObjectMeta: r.metadata(), Source: ReportSource, Summary: r.Summary, Results: r.Results,
	}
}

func (r *OpenReport) metadata() metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: r.Namespace, Name: r.Name,
		Labels: map[string]string{LabelManagedBy: ReportSource, LabelInstance: r.Instance, "app.kubernetes.io/part-of": ReportSource},
	}
}

// reportItem is a result, and where it is sorted.
type reportItem struct {
	result openreports.ReportResult
	size   int
	// key is a hash of the object's UID followed by one of the result's id.
	key [2 * keyBytes]byte
}

const keyBytes = 8

func itemsOf(object *AuditedObject) []reportItem {
	ids := map[string]int{}
	var items []reportItem
	uid := cmp.Or(object.UID, object.Kind.String()+" "+object.Namespace+"/"+object.Name)
	for i := range object.Findings {
		f := &object.Findings[i]
		if f.Exempted() {
			continue
		}
		id := ResultID(uid, &f.Finding)
		// Findings that differ in a redacted value alone are distinguished by their order: a hash of the
		// value would allow it to be guessed.
		ids[id]++
		if n := ids[id]; n > 1 {
			id = fmt.Sprintf("%s-%d", id, n)
		}
		item := reportItem{result: resultOf(object, f, id)}
		text, _ := json.Marshal(item.result) // it has no field without a JSON form
		item.size = len(text) + 1
		ofObject, ofResult := sha256.Sum256([]byte(uid)), sha256.Sum256([]byte(id))
		copy(item.key[:], ofObject[:keyBytes])
		copy(item.key[keyBytes:], ofResult[:keyBytes])
		items = append(items, item)
	}
	return items
}

// ResultID returns the id of a finding's result. It is the same in every pass. Of several findings with
// the same id, all but the first get a suffix that begins with a hyphen.
func ResultID(uid string, f *decision.Finding) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{uid, f.Policy, ShortKey(f.Container), ShortKey(f.Key)}, "\x00")))
	return hex.EncodeToString(sum[:10])
}

// ShortKey returns a key that identifies a finding as well as its own does, and is not long: whoever writes an object
// chooses parts of keys.
func ShortKey(key string) string {
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return strings.ToValidUTF8(key[:maxKey-1-hex.EncodedLen(len(sum))], "") + "#" + hex.EncodeToString(sum[:])
}

func resultOf(object *AuditedObject, f *AuditedFinding, id string) openreports.ReportResult {
	properties := map[string]string{propertyResult: id, "mode": f.Mode.String()}
	for name, value := range map[string]string{
		"container": f.Container, "path": f.Path, "guardrails": strings.Join(f.Guardrails, ","), "remediation": f.Remediation,
		"unknown": f.Unknown, propertyOwner: object.Owner,
	} {
		if value != "" {
			properties[name] = decision.Line(value, MaxText)
		}
	}
	apiVersion, kind := object.Kind.ToAPIVersionAndKind()
	result := openResult(&f.Finding)
	return openreports.ReportResult{
		Source: ReportSource, Policy: f.Policy, Severity: openreports.ResultSeverity(f.Severity), Result: result,
		Scored: result == resultFail, Timestamp: metav1.Timestamp{Seconds: f.FirstSeen.Unix()},
		Subjects: []corev1.ObjectReference{{
			APIVersion: apiVersion, Kind: kind, Namespace: object.Namespace, Name: object.Name, UID: types.UID(object.UID),
		}},
		Description: decision.Line(f.Message, MaxText), Properties: properties,
	}
}

const (
	resultFail  openreports.Result = "fail"
	resultWarn  openreports.Result = "warn"
	resultError openreports.Result = "error"
)

// openResult returns fail for what is denied, or would be if its Guardrail and the server enforced it;
// warn for what a Guardrail never denies; and error for what could not be decided.
func openResult(f *decision.Finding) openreports.Result {
	switch {
	case f.Failed || f.Unknown != "":
		return resultError
	case f.WouldDeny || f.Denies():
		return resultFail
	}
	return resultWarn
}

func countResult(s *openreports.ReportSummary, r openreports.Result) {
	switch r {
	case resultFail:
		s.Fail++
	case resultWarn:
		s.Warn++
	case resultError:
		s.Error++
	}
}

func compareItems(a, b reportItem) int {
	subjectA, subjectB := &a.result.Subjects[0], &b.result.Subjects[0]
	return cmp.Or(strings.Compare(subjectA.Kind, subjectB.Kind), strings.Compare(subjectA.Name, subjectB.Name),
		strings.Compare(string(subjectA.UID), string(subjectB.UID)),
		strings.Compare(a.result.Policy, b.result.Policy), strings.Compare(a.result.Properties["container"], b.result.Properties["container"]),
		strings.Compare(a.result.Properties[propertyResult], b.result.Properties[propertyResult]))
}
