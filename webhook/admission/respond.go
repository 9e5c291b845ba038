package admission

import (
	"encoding/json"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/decision"
)

// response is an AdmissionResponse under construction.
type response struct{ admissionv1.AdmissionResponse }

func allowed(request *decision.Request) *response {
	return &response{admissionv1.AdmissionResponse{UID: types.UID(request.UID), Allowed: true}}
}

// deny refuses the request with a message for people. For programs, the details have a cause for each finding
// in the message.
func (r *response) deny(text string, request *decision.Request, d *decision.Decision) {
	var causes []metav1.StatusCause
	for i := range d.Findings {
		f := &d.Findings[i]
		if f.Denies() && len(causes) < decision.MaxFindings {
			causes = append(causes, metav1.StatusCause{
				Type: metav1.CauseType(f.Policy), Field: f.Path, Message: f.Headline(),
			})
		}
	}
	r.forbid(text, request, causes)
}

// forbid refuses the request because its author may not make it.
func (r *response) forbid(text string, request *decision.Request, causes []metav1.StatusCause) {
	r.refuse(http.StatusForbidden, metav1.StatusReasonForbidden, text, request, causes)
}

// refuse refuses the request with a message for people and causes for programs.
func (r *response) refuse(code int32, reason metav1.StatusReason, text string, request *decision.Request, causes []metav1.StatusCause) {
	r.Allowed = false
	r.Result = &metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: text,
		Details: &metav1.StatusDetails{Name: decision.RedactValue(request.Name), Group: request.Kind.Group, Kind: request.Kind.Kind, Causes: causes},
	}
}

// patch sets patch and patchType, or neither: the API server rejects one without the other.
func (r *response) patch(operations []decision.PatchOperation) error {
	if len(operations) == 0 {
		return nil
	}
	encoded, err := json.Marshal(operations)
	if err != nil {
		return err
	}
	kind := admissionv1.PatchTypeJSONPatch
	r.Patch, r.PatchType = encoded, &kind
	return nil
}
