//! What filters packets outside of this machine, where no program here can look: the rule to add,
//! in the words of the cloud's console.

use crate::conf::cloud::Cloud;
use std::net::IpAddr;

/// The sentence for a machine of this cloud; `client` is who should get in, where that is known.
#[must_use]
pub fn sentence(cloud: Option<Cloud>, client: Option<IpAddr>) -> String {
    let source = match client {
        Some(IpAddr::V4(address)) => format!("{address}/32"),
        Some(IpAddr::V6(address)) => format!("{address}/128"),
        None => "the client's address, such as 203.0.113.5/32".to_owned(),
    };
    let Some(cloud) = cloud else {
        return format!(
            "routers, the provider's firewall and the client's own network cannot be seen from here; \
             if this machine is to serve, they must let UDP port 123 in from {source}, and the \
             answers back out"
        );
    };
    let rule = match cloud {
        Cloud::Aws => format!(
            "in the instance's security group, add an inbound rule: type Custom UDP, port range 123, \
             source {source}; where the subnet has a network ACL of its own, let UDP 123 in and UDP \
             1024-65535 out there too. 169.254.169.123 needs no rule"
        ),
        Cloud::Azure => format!(
            "in the network security group of the interface or subnet, add an inbound security rule: \
             source {source}, source port ranges *, destination port ranges 123, protocol UDP, \
             action Allow"
        ),
        Cloud::Google => format!(
            "in the VPC network, add a firewall rule: direction ingress, action allow, source IPv4 \
             ranges {source}, protocols and ports udp:123"
        ),
        Cloud::Alibaba => format!(
            "in the instance's security group, add an inbound rule: action Allow, protocol type \
             Custom UDP, port range 123/123, authorization object {source}"
        ),
        Cloud::Tencent => format!(
            "in the instance's security group, add an inbound rule: type Custom, source {source}, \
             protocol port UDP:123, policy Allow"
        ),
        Cloud::Oracle => format!(
            "in the subnet's security list or network security group, add an ingress rule: source \
             CIDR {source}, IP protocol UDP, destination port range 123"
        ),
        Cloud::Huawei | Cloud::OpenTelekom => format!(
            "in the instance's security group, add an inbound rule: action Allow, protocol UDP, port \
             123, source {source}"
        ),
        Cloud::OpenStack | Cloud::Sap => format!(
            "in the instance's security group, add an ingress rule: openstack security group rule \
             create --ingress --protocol udp --dst-port 123 --remote-ip {source} GROUP"
        ),
        Cloud::DigitalOcean
        | Cloud::Hetzner
        | Cloud::Vultr
        | Cloud::Scaleway
        | Cloud::Linode
        | Cloud::UpCloud => format!(
            "where a {} firewall is attached to the machine, add an inbound rule: protocol UDP, port \
             123, source {source}",
            cloud.name()
        ),
    };
    format!(
        "this is {}, whose filters cannot be seen from here. If this machine is to serve: {rule}",
        cloud.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_has_its_rule_with_the_port_and_the_client() {
        let client: IpAddr = "192.0.2.7".parse().unwrap();
        for cloud in Cloud::ALL {
            let text = sentence(Some(*cloud), Some(client));
            assert!(
                text.contains("123") && text.contains("192.0.2.7/32"),
                "{text}"
            );
            assert!(text.to_lowercase().contains("udp"), "{text}");
        }
        let aws = sentence(Some(Cloud::Aws), None);
        assert!(
            aws.contains("type Custom UDP, port range 123, source the client's address"),
            "{aws}"
        );
        assert!(sentence(None, Some("2001:db8::1".parse().unwrap())).contains("2001:db8::1/128"));
    }
}
