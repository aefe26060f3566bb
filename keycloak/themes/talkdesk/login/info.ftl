<#-- What Keycloak tells at the end of something, mostly of a session. -->
<#import "template.ftl" as layout>
<@layout.registrationLayout strict=true displayMessage=false; section>
    <#if section = "header">
        <#if messageHeader??>${msg(messageHeader)}<#else>${msg("talkdeskInfoTitle")}</#if>
    <#elseif section = "form">
        <div id="kc-info-message">
            <#if message?has_content>
            <p>${message.summary}</p>
            </#if>
            <#if !skipLink?? && pageRedirectUri?has_content>
            <p><a class="button" href="${pageRedirectUri}">${msg("backToApplication")}</a></p>
            </#if>
            <p class="small">${msg("talkdeskInfoHint")}</p>
        </div>
    </#if>
</@layout.registrationLayout>
