package request

import (
	corev1 "k8s.io/api/core/v1"
)

func setVolumeDefaults(volume *corev1.Volume) {
	source := &volume.VolumeSource
	if *source == (corev1.VolumeSource{}) {
		source.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
	if v := source.Image; v != nil {
		byDefault(&v.PullPolicy, pullPolicy(v.Reference))
	}
	if v := source.HostPath; v != nil {
		ifNil(&v.Type, corev1.HostPathUnset)
	}
	if v := source.Secret; v != nil {
		ifNil(&v.DefaultMode, corev1.SecretVolumeSourceDefaultMode)
	}
	if v := source.ConfigMap; v != nil {
		ifNil(&v.DefaultMode, corev1.ConfigMapVolumeSourceDefaultMode)
	}
	if v := source.DownwardAPI; v != nil {
		ifNil(&v.DefaultMode, corev1.DownwardAPIVolumeSourceDefaultMode)
		setItemDefaults(v.Items)
	}
	if v := source.Projected; v != nil {
		ifNil(&v.DefaultMode, corev1.ProjectedVolumeSourceDefaultMode)
		for i := range v.Sources {
			if v.Sources[i].DownwardAPI != nil {
				setItemDefaults(v.Sources[i].DownwardAPI.Items)
			}
			if token := v.Sources[i].ServiceAccountToken; token != nil {
				ifNil(&token.ExpirationSeconds, 3600)
			}
		}
	}
	if v := source.Ephemeral; v != nil && v.VolumeClaimTemplate != nil {
		claim := &v.VolumeClaimTemplate.Spec
		ifNil(&claim.VolumeMode, corev1.PersistentVolumeFilesystem)
		roundToMilli(claim.Resources.Limits)
		roundToMilli(claim.Resources.Requests)
	}
	setRemoteDefaults(source)
}

func setItemDefaults(items []corev1.DownwardAPIVolumeFile) {
	for i := range items {
		setFieldRefDefaults(items[i].FieldRef)
	}
}

// setRemoteDefaults sets the defaults of storage systems.
func setRemoteDefaults(source *corev1.VolumeSource) {
	if v := source.ISCSI; v != nil {
		byDefault(&v.ISCSIInterface, "default")
	}
	if v := source.RBD; v != nil {
		byDefault(&v.RBDPool, "rbd")
		byDefault(&v.RadosUser, "admin")
		byDefault(&v.Keyring, "/etc/ceph/keyring")
	}
	if v := source.ScaleIO; v != nil {
		byDefault(&v.StorageMode, "ThinProvisioned")
		byDefault(&v.FSType, "xfs")
	}
	if v := source.AzureDisk; v != nil {
		ifNil(&v.CachingMode, corev1.AzureDataDiskCachingReadWrite)
		ifNil(&v.FSType, "ext4")
		ifNil(&v.ReadOnly, false)
		ifNil(&v.Kind, corev1.AzureSharedBlobDisk)
	}
}
