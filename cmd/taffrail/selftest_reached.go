package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"taffrail.dev/webhook/api/v1alpha1"
)

// reachedInterval is the time between two reads while a condition is missing or not True.
const reachedInterval = 2 * time.Second

// errNotReached is returned if the API server does not send everything that is bound.
var errNotReached = errors.New(`the API server does not send Taffrail everything that is bound.
Add the kinds to extraKinds of the chart, or revert the changes to the webhook configurations: charts/taffrail/docs/blind-spots.md`)

// testReached checks the condition Reached of every Guardrail and Policy. It waits for those that
// are not True: conditions follow the configuration with a short delay.
func testReached(ctx context.Context, client dynamic.Interface, timeout time.Duration, w io.Writer) error {
	var found error
	var looked int
	err := wait.PollUntilContextTimeout(ctx, reachedInterval, timeout, true, func(ctx context.Context) (bool, error) {
		looked, found = 0, nil
		for _, resource := range []string{"guardrails", "policies"} {
			n, err := checkReached(ctx, client, resource)
			looked += n
			found = errors.Join(found, err)
		}
		return found == nil, nil
	})
	if found != nil {
		return fmt.Errorf("%w\n%w", found, errNotReached)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "The API server sends everything that %d Guardrails and Policies apply to.\n", looked)
	return err
}

// checkReached returns the number of objects of a resource, and an error for each condition that
// is not True.
func checkReached(ctx context.Context, client dynamic.Interface, resource string) (int, error) {
	list, err := client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: resource}).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("listing %s: %w", resource, err)
	}
	var wrong []error
	for i := range list.Items {
		object := &list.Items[i]
		// The conditions of both kinds have the same path.
		var typed v1alpha1.Policy
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"status": map[string]any{"conditions": conditionsOf(object.Object)}}, &typed); err != nil {
			return 0, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		active := meta.FindStatusCondition(typed.Status.Conditions, v1alpha1.ConditionActive)
		reached := meta.FindStatusCondition(typed.Status.Conditions, v1alpha1.ConditionReached)
		switch {
		case active == nil || active.ObservedGeneration < object.GetGeneration():
			wrong = append(wrong, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), errNoStatus))
		case active.Status == metav1.ConditionFalse:
			// Nothing of the object is in force.
		case reached == nil || reached.ObservedGeneration < object.GetGeneration():
			wrong = append(wrong, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), errNoStatus))
		case reached.Status != metav1.ConditionTrue:
			wrong = append(wrong, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), errors.New(reached.Message))) //nolint:err113 // the text is the message of the condition
		}
	}
	return len(list.Items), errors.Join(wrong...)
}

// errNoStatus is returned for an object whose status no replica has written yet.
var errNoStatus = errors.New("its status does not yet report what is sent")

func conditionsOf(object map[string]any) []any {
	status, _ := object["status"].(map[string]any)
	conditions, _ := status["conditions"].([]any)
	return conditions
}
