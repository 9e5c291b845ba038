package request

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// SetPodTemplateDefaults sets every default that the API server sets on the template of a
// workload: what SetObjectDefaults_Deployment and similar functions do to spec.template.
// test/oracle compares the results. It is idempotent.
func SetPodTemplateDefaults(template *corev1.PodTemplateSpec) {
	spec := &template.Spec
	if spec.ServiceAccountName == "" {
		spec.ServiceAccountName = spec.DeprecatedServiceAccount
	}
	spec.DeprecatedServiceAccount = spec.ServiceAccountName
	byDefault(&spec.DNSPolicy, corev1.DNSClusterFirst)
	byDefault(&spec.RestartPolicy, corev1.RestartPolicyAlways)
	byDefault(&spec.SchedulerName, corev1.DefaultSchedulerName)
	ifNil(&spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	ifNil(&spec.SecurityContext, corev1.PodSecurityContext{})
	roundToMilli(spec.Overhead)
	if spec.Resources != nil {
		roundToMilli(spec.Resources.Limits)
		roundToMilli(spec.Resources.Requests)
	}
	for i := range spec.Volumes {
		setVolumeDefaults(&spec.Volumes[i])
	}
	for i := range spec.InitContainers {
		setContainerDefaults(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		setContainerDefaults(&spec.Containers[i])
	}
	for i := range spec.EphemeralContainers {
		setContainerDefaults((*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
}

func setContainerDefaults(c *corev1.Container) {
	byDefault(&c.ImagePullPolicy, pullPolicy(c.Image))
	byDefault(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	byDefault(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	for i := range c.Ports {
		byDefault(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for i := range c.Env {
		if from := c.Env[i].ValueFrom; from != nil {
			setFieldRefDefaults(from.FieldRef)
			if from.FileKeyRef != nil {
				ifNil(&from.FileKeyRef.Optional, false)
			}
		}
	}
	roundToMilli(c.Resources.Limits)
	roundToMilli(c.Resources.Requests)
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if probe == nil {
			continue
		}
		byDefault(&probe.TimeoutSeconds, 1)
		byDefault(&probe.PeriodSeconds, 10)
		byDefault(&probe.SuccessThreshold, 1)
		byDefault(&probe.FailureThreshold, 3)
		setGetDefaults(probe.HTTPGet)
		if probe.GRPC != nil {
			ifNil(&probe.GRPC.Service, "")
		}
	}
	if c.Lifecycle != nil {
		for _, handler := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if handler != nil {
				setGetDefaults(handler.HTTPGet)
			}
		}
	}
}

// pullPolicy returns Always for an image without a tag, which means latest, and IfNotPresent
// for a reference that does not parse.
func pullPolicy(image string) corev1.PullPolicy {
	parsed := parseImage(image)
	if parsed.Valid && (parsed.Tag == "latest" || parsed.Tag == "" && parsed.Digest == "") {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}

func setGetDefaults(get *corev1.HTTPGetAction) {
	if get != nil {
		byDefault(&get.Path, "/")
		byDefault(&get.Scheme, corev1.URISchemeHTTP)
	}
}

func setFieldRefDefaults(ref *corev1.ObjectFieldSelector) {
	if ref != nil {
		byDefault(&ref.APIVersion, "v1")
	}
}

// roundToMilli rounds quantities as the API server does in every resource list.
func roundToMilli(list corev1.ResourceList) {
	for name, quantity := range list {
		quantity.RoundUp(resource.Milli)
		list[name] = quantity
	}
}

func byDefault[T comparable](field *T, value T) {
	var nothing T
	if *field == nothing {
		*field = value
	}
}

func ifNil[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
