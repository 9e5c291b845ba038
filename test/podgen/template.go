package podgen

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Place is the sort of workload that a template is for.
type Place int

const (
	// Anywhere is a workload whose Pods run permanently.
	Anywhere Place = iota
	// InJob is a workload whose Pods end.
	InJob
)

// Template returns a valid Pod template. It omits many fields that the API server defaults, and writes the
// others in the various forms that people use.
func Template(s Source, place Place) corev1.PodTemplateSpec {
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "drawn"}}}
	if one(s, 3) {
		template.Labels["tier"] = pick(s, "front", "back")
	}
	if one(s, 3) {
		template.Annotations = map[string]string{"example.com/note": pick(s, "", "a", "multi\nline", "ü<&>\u2028")}
	}
	spec := &template.Spec
	spec.Volumes = volumes(s)
	for i := range max(0, s.IntN(4)-1) {
		c := templateContainer(s, fmt.Sprint("init", i), spec.Volumes)
		if one(s, 2) {
			c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		} else {
			c.LivenessProbe, c.ReadinessProbe, c.StartupProbe, c.Lifecycle = nil, nil, nil, nil
		}
		spec.InitContainers = append(spec.InitContainers, c)
	}
	for i := range 1 + s.IntN(2) {
		spec.Containers = append(spec.Containers, templateContainer(s, fmt.Sprint("app", i), spec.Volumes))
	}
	if place == InJob {
		spec.RestartPolicy = pick(s, corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure)
	} else {
		spec.RestartPolicy = pick(s, "", corev1.RestartPolicyAlways)
	}
	scheduling(s, spec)
	if one(s, 3) {
		spec.TerminationGracePeriodSeconds = new(int64(s.IntN(90)))
	}
	spec.DNSPolicy = pick(s, "", "", corev1.DNSDefault, corev1.DNSClusterFirst)
	switch s.IntN(4) {
	case 0:
		spec.ServiceAccountName = "default"
	case 1:
		spec.DeprecatedServiceAccount = "default"
	}
	if one(s, 3) {
		spec.SecurityContext = &corev1.PodSecurityContext{}
		if one(s, 2) {
			spec.SecurityContext.RunAsNonRoot = new(s.IntN(2) == 0)
			spec.SecurityContext.FSGroup = new(int64(s.IntN(3)))
		}
	}
	if one(s, 4) {
		spec.AutomountServiceAccountToken = new(s.IntN(2) == 0)
	}
	if one(s, 6) {
		spec.HostNetwork = true
		for i := range spec.Containers {
			for k := range spec.Containers[i].Ports {
				spec.Containers[i].Ports[k].HostPort = spec.Containers[i].Ports[k].ContainerPort
			}
		}
		for i := range spec.InitContainers {
			spec.InitContainers[i].Ports = nil
		}
	}
	return template
}

func scheduling(s Source, spec *corev1.PodSpec) {
	spec.SchedulerName = pick(s, "", "", "default-scheduler", "another")
	if one(s, 4) {
		spec.NodeSelector = map[string]string{"kubernetes.io/os": "linux"}
	}
	if one(s, 4) {
		spec.Tolerations = []corev1.Toleration{{Key: "a", Operator: pick(s, "", corev1.TolerationOpEqual), Value: "b", Effect: corev1.TaintEffectNoSchedule}}
	}
	if one(s, 4) {
		spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "drawn"}},
		}}
	}
	if one(s, 4) {
		spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
			Weight: 1, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: "zone", LabelSelector: &metav1.LabelSelector{}},
		}}}}
	}
}

func templateContainer(s Source, name string, volumes []corev1.Volume) corev1.Container {
	c := corev1.Container{
		Name:            name,
		Image:           pick(s, "nginx", "nginx:latest", "nginx:1.27", "registry.example:5000/team/app", "registry.example/app:1.0.0", "app@sha256:"+digest, "app:latest@sha256:"+digest),
		ImagePullPolicy: pick(s, "", "", corev1.PullAlways, corev1.PullIfNotPresent),
		Resources:       corev1.ResourceRequirements{},
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if one(s, 2) {
			continue
		}
		request, limit := resource.MustParse(pick(s, "0.1", "100m", "0.0001", "1e-1", "100100u")), resource.MustParse(pick(s, "1", "1.5", "2000m", "1e1", "1.0005"))
		if name == corev1.ResourceMemory {
			request, limit = resource.MustParse(pick(s, "64Mi", "0.5Gi", "67108864", "1e6", "64M")), resource.MustParse(pick(s, "1Gi", "1024Mi", "1.5Gi", "2e9"))
		}
		if one(s, 2) {
			put(&c.Resources.Limits, name, limit)
		}
		put(&c.Resources.Requests, name, request)
	}
	if one(s, 2) {
		c.Ports = append(c.Ports, corev1.ContainerPort{ContainerPort: int32(8000 + 1000*len(name) + 10*int(name[len(name)-1]) + s.IntN(3)), Protocol: pick(s, "", corev1.ProtocolTCP, corev1.ProtocolUDP)})
	}
	environment(s, &c)
	handler := func() corev1.ProbeHandler {
		switch s.IntN(4) {
		case 0:
			return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}
		case 1:
			return corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8080}}
		case 2:
			return corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}
		}
		return corev1.ProbeHandler{HTTPGet: get(s)}
	}
	for _, probe := range []**corev1.Probe{&c.LivenessProbe, &c.ReadinessProbe, &c.StartupProbe} {
		if one(s, 2) {
			continue
		}
		*probe = &corev1.Probe{ProbeHandler: handler(), InitialDelaySeconds: int32(s.IntN(3)), TimeoutSeconds: int32(s.IntN(3)), PeriodSeconds: int32(s.IntN(12)), FailureThreshold: int32(s.IntN(5))}
	}
	if one(s, 3) {
		c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{}}
		if one(s, 2) {
			c.Lifecycle.PreStop.HTTPGet = get(s)
		} else {
			c.Lifecycle.PreStop.Exec = &corev1.ExecAction{Command: []string{"sleep", "5"}}
		}
	}
	if one(s, 4) {
		c.SecurityContext = &corev1.SecurityContext{RunAsUser: new(int64(s.IntN(3)))}
	}
	for _, volume := range volumes {
		if one(s, 2) {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: volume.Name, MountPath: "/" + volume.Name, ReadOnly: one(s, 2)})
		}
	}
	return c
}

const digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func get(s Source) *corev1.HTTPGetAction {
	return &corev1.HTTPGetAction{Port: pick(s, intstr.FromInt32(8080), intstr.FromString("http")), Path: pick(s, "", "/", "/healthz"), Scheme: pick(s, "", corev1.URISchemeHTTPS)}
}

func environment(s Source, c *corev1.Container) {
	if one(s, 3) {
		c.Env = append(c.Env, corev1.EnvVar{Name: "PLAIN", Value: pick(s, "", "1e99999", " blank ", "ü")})
	}
	if one(s, 3) {
		c.Env = append(c.Env, corev1.EnvVar{Name: "FIELD", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name", APIVersion: pick(s, "", "v1")}}})
	}
	if one(s, 3) {
		c.Env = append(c.Env, corev1.EnvVar{Name: "RESOURCE", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "requests.cpu", Divisor: resource.MustParse(pick(s, "0", "1", "1m"))}}})
	}
	if one(s, 3) {
		c.EnvFrom = append(c.EnvFrom, corev1.EnvFromSource{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}})
	}
}

func volumes(s Source) []corev1.Volume {
	sources := []func() corev1.VolumeSource{
		func() corev1.VolumeSource { return corev1.VolumeSource{} },
		func() corev1.VolumeSource {
			size := resource.MustParse(pick(s, "1Gi", "1024Mi", "1.5Gi", "0.1"))
			return corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &size}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "secret", DefaultMode: pick(s, nil, new(int32(0o400)))}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{{Path: "labels", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels"}}}}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}},
				{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{Path: "name", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}},
			}}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/log"}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(pick(s, "1Gi", "1.5Gi", "1e9"))}},
			}}}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: pick(s, "model", "model:1")}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{ISCSI: &corev1.ISCSIVolumeSource{TargetPortal: "10.0.0.1:3260", IQN: "iqn.2001-04.com.example:storage.kube.sys1.xyz", Lun: 0}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{RBD: &corev1.RBDVolumeSource{CephMonitors: []string{"10.0.0.1:6789"}, RBDImage: "image"}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{AzureDisk: &corev1.AzureDiskVolumeSource{DiskName: "d", DataDiskURI: "https://blob/vhds/d.vhd"}}
		},
		func() corev1.VolumeSource {
			return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}
		},
	}
	var all []corev1.Volume
	for i := range s.IntN(4) {
		all = append(all, corev1.Volume{Name: fmt.Sprint("volume", i), VolumeSource: sources[s.IntN(len(sources))]()})
	}
	return all
}

// pick returns one of the values, all equally likely.
func pick[T any](s Source, of ...T) T { return of[s.IntN(len(of))] }
