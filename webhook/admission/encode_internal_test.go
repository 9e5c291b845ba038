package admission

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Every byte of an answer is that of encoding/json.
func TestAnswersAreWrittenAsByEncodingJSON(t *testing.T) {
	kind := admissionv1.PatchTypeJSONPatch
	odd := "\x00\t\n\"\\/<a href='x'>&amp;\u2028é\xff\x7f😀"
	for name, answer := range map[string]admissionv1.AdmissionResponse{
		"nothing":           {},
		"allowed":           {UID: "705ab4f5-6393-11e8-b7cc-42010a800002", Allowed: true},
		"an odd UID":        {UID: "<\xff>"},
		"denied":            {UID: "u", Result: &metav1.Status{Status: "Failure", Code: 403, Message: odd, Details: &metav1.StatusDetails{Name: "<>"}}},
		"an empty status":   {Result: &metav1.Status{}},
		"patched":           {Allowed: true, Patch: []byte(`[{"op":"add","path":"/a","value":"<"}]`), PatchType: &kind},
		"an empty patch":    {Patch: []byte{}, PatchType: new(admissionv1.PatchType)},
		"annotated":         {AuditAnnotations: map[string]string{"b": "2", "a": odd, "": "", "<": "x", "c": "3"}},
		"warned":            {Warnings: []string{"one", "", odd}},
		"empty collections": {AuditAnnotations: map[string]string{}, Warnings: []string{}},
		"everything": {
			UID: "u", Allowed: true, Result: &metav1.Status{Message: "m"}, Patch: []byte("x"), PatchType: &kind,
			AuditAnnotations: map[string]string{"a": "b"}, Warnings: []string{"w"},
		},
	} {
		want, err := json.Marshal(&admissionv1.AdmissionReview{
			TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}, Response: &answer,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&response{answer}).encode()
		if diff := cmp.Diff(string(want), string(got)); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}
