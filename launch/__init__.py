"""SMART App Launch 2.2 client (https://hl7.org/fhir/smart-app-launch/STU2.2/): knows OAuth and EHRs, nothing else.

| module | job | section |
|---|---|---|
| ehr, ehr_profile | registered EHRs; how each vendor departs from the standard | Register App |
| transport, addresses, exchange | requests: allowed hosts, pinned addresses, no redirects, limits | App protection |
| discovery, capabilities | `.well-known/smart-configuration`; CapabilityStatement | Conformance |
| scopes | v1 and v2, what to ask, what was given | Scopes and Launch Context |
| pkce, authorize | the way to the authorization endpoint | Obtain authorization code |
| callback | the way back | Obtain authorization code, Obtain access token |
| client_auth, signing_keys | public, secret, private_key_jwt | Client Authentication |
| tokens | exchange, refresh, revoke | Obtain access token, Refresh access token |
| id_token, jwks | who the user is | Scopes for requesting identity data |
| context, session | what is open; a launch pending and active | Launch context |
| smart_style | the EHR's colors and sizes, checked before they are used | Launch context (smart_style_url) |
| fhir_reader, fhir_writer | FHIR R4 with the token of one launch | Access FHIR API |
| fields, urls, documents | JSON, addresses and cached documents, read once at the door | |
| errors | all of them, with the words for the page | |

Of the product only `smart_app.writeback` imports `fhir_writer`. Import the modules: the package itself exports nothing.
"""
