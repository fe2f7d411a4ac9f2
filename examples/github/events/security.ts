/** Alerts and advisories. The open ones are as severe as GitHub grades them. */
import { type Payload, text } from '../payloads.ts';
import { asGraded, type GitHubEvents, repositoryTime } from './event.ts';

export const SECURITY: GitHubEvents = {
  code_scanning_alert: {
    category: 'ALARM',
    severity: 'HIGH',
    severityOf: asGraded('alert.rule.severity'),
    time: ['alert.updated_at', 'alert.created_at'],
    attributes: {
      number: 'alert.number',
      title: 'alert.rule.description',
      rule: 'alert.rule.id',
      tool: 'alert.tool.name',
      grade: 'alert.rule.severity',
      state: 'alert.state',
      reason: 'alert.dismissed_reason',
      ref: ['ref', 'alert.instances.0.ref'],
      sha: ['commit_oid', 'alert.instances.0.commit_sha'],
    },
    required: ['number', 'rule'],
    actions: {
      created: '{tool} found #{number} in {ref}: {title}',
      reopened: '{tool} found #{number} in {ref} again: {title}',
      closed_by_user: {
        message: '{actor} closed finding #{number} of {tool} ({reason}): {title}',
        severity: 'MEDIUM',
        time: ['alert.dismissed_at'],
      },
      // Found to be gone by the analysis of a push.
      fixed: {
        message: 'Finding #{number} of {tool} is fixed: {title}',
        severity: 'LOW',
        time: ['alert.fixed_at', repositoryTime],
      },
    },
  },
  dependabot_alert: {
    category: 'ALARM',
    severity: 'HIGH',
    severityOf: asGraded('alert.security_advisory.severity'),
    time: ['alert.updated_at'],
    attributes: {
      number: 'alert.number',
      title: 'alert.security_advisory.summary',
      state: 'alert.state',
      package: 'alert.dependency.package.name',
      ecosystem: 'alert.dependency.package.ecosystem',
      version: 'alert.security_vulnerability.vulnerable_version_range',
      path: 'alert.dependency.manifest_path',
      grade: 'alert.security_advisory.severity',
      ghsa: 'alert.security_advisory.ghsa_id',
      cve: 'alert.security_advisory.cve_id',
      cvss: 'alert.security_advisory.cvss.score',
    },
    required: ['number', 'package'],
    actions: {
      created: { message: '{package} in {path} is vulnerable: {title}', time: ['alert.created_at'] },
      fixed: {
        message: '{package} in {path} is no longer vulnerable: {title}',
        severity: 'LOW',
        time: ['alert.fixed_at'],
      },
    },
  },
  repository_vulnerability_alert: {
    category: 'ALARM',
    severity: 'HIGH',
    severityOf: asGraded('alert.severity'),
    time: ['alert.created_at'],
    attributes: {
      number: 'alert.number',
      state: 'alert.state',
      package: 'alert.affected_package_name',
      version: 'alert.affected_range',
      grade: 'alert.severity',
      ghsa: 'alert.ghsa_id',
      cve: 'alert.external_identifier',
      reason: 'alert.dismiss_reason',
    },
    required: ['package'],
    actions: {
      create: '{package} {version} is vulnerable: {cve}',
      dismiss: {
        message: 'The alert about {package} {version} was dismissed ({reason}): {cve}',
        severity: 'MEDIUM',
        time: ['alert.dismissed_at'],
      },
    },
  },
  security_advisory: {
    category: 'ALARM',
    severity: 'HIGH',
    severityOf: asGraded('security_advisory.severity'),
    time: ['security_advisory.updated_at'],
    resource: (payload) => `advisory/${text(payload, 'security_advisory.ghsa_id')}`,
    attributes: {
      title: 'security_advisory.summary',
      package: 'security_advisory.vulnerabilities.0.package.name',
      ecosystem: 'security_advisory.vulnerabilities.0.package.ecosystem',
      version: 'security_advisory.vulnerabilities.0.vulnerable_version_range',
      grade: 'security_advisory.severity',
      ghsa: 'security_advisory.ghsa_id',
      cve: cveOf,
      cvss: 'security_advisory.cvss.score',
    },
    required: ['ghsa'],
    actions: {
      published: {
        message: 'Advisory {ghsa} about {package} was published: {title}',
        time: ['security_advisory.published_at'],
      },
      updated: 'Advisory {ghsa} about {package} was updated: {title}',
      withdrawn: {
        message: 'Advisory {ghsa} about {package} was withdrawn: {title}',
        severity: 'MEDIUM',
        time: ['security_advisory.withdrawn_at'],
      },
    },
  },
};

/** Older advisories have it among other identifiers only. */
function cveOf(payload: Payload): string | undefined {
  const own = text(payload, 'security_advisory.cve_id');
  if (own !== undefined) return own;
  const [first, second] = ['0', '1'].map((nth) => `security_advisory.identifiers.${nth}`);
  return [first, second]
    .filter((path) => text(payload, `${path}.type`) === 'CVE')
    .map((path) => text(payload, `${path}.value`))[0];
}
