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
	details := &metav1.StatusDetails{Name: decision.RedactValue(request.Name), Group: request.Kind.Group, Kind: request.Kind.Kind}
	for i := range d.Findings {
		f := &d.Findings[i]
		if f.Denies() && len(details.Causes) < decision.MaxFindings {
			details.Causes = append(details.Causes, metav1.StatusCause{
				Type: metav1.CauseType(f.Policy), Field: f.Path, Message: f.Headline(),
			})
		}
	}
	r.Allowed = false
	r.Result = &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Message: text, Details: details,
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
