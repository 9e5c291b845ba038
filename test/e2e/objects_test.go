//go:build e2e

package e2e

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// goodDeployment returns a Deployment with everything that the chapter requires, so that only its image may
// cause findings.
func goodDeployment(name, image string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	replicas := int32(2)
	probe := func(delay int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:        corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/health", Port: intstr.FromInt32(8080)}},
			InitialDelaySeconds: delay, PeriodSeconds: 1,
		}
	}
	resources := func() corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: *quantity("20m"), corev1.ResourceMemory: *quantity("32Mi")}
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "main", Image: image, Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
					ReadinessProbe: probe(0), LivenessProbe: probe(5),
					Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 2}}},
					Resources: corev1.ResourceRequirements{Requests: resources(), Limits: resources()},
				}}},
			},
		},
	}
}

func quantity(text string) *resource.Quantity {
	q := resource.MustParse(text)
	return &q
}
